"""install.py in a real environment with small packages: the lock, torch by its hash, no halves."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from install import check, install_with_voice, remove_broken_voice, try_voice
from package_calls import InstallError, NoFile, Packages

from tests.fake_clone import ROOT
from tests.tiny_wheels import make_environment, make_wheel

pytestmark = pytest.mark.slow

has_gpu = os.path.exists("/dev/nvidiactl") or os.path.exists("/dev/kfd")
without_gpu = pytest.mark.skipif(has_gpu, reason="this machine has a GPU")


class Clone:
    """A clone whose requirements/ name small packages in a folder, and an environment."""

    def __init__(self, root: Path) -> None:
        self.root, self.wheels, self.bin = root, root / "wheels", root / "bin"
        (root / "script").mkdir(parents=True)
        self.empty()
        for name in ("install", "environment", "package_calls", "torch_build"):
            shutil.copy(ROOT / f"script/{name}.py", root / "script")
        self.python = make_environment(root / ".venv")
        (self.packages,) = (root / ".venv").glob("lib/*/site-packages")

    def empty(self) -> None:
        """Have no wheel, no lock and no command but the environment's."""
        for folder in (self.wheels, self.root / "requirements", self.bin):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()

    def lock(self, file: str, **packages: str) -> None:
        """Have requirements/FILE name these versions, and make them."""
        lines = [
            f"{name}=={version} --hash=sha256:{make_wheel(self.wheels, name, version)}\n"
            for name, version in packages.items()
        ]
        (self.root / "requirements" / file).write_text("".join(lines))

    def install(self, *engines: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run install.py engines, without uv, a GPU or any index but the folder."""
        held = os.pipe()
        try:
            return self._run(engines or ("csm", "coqui"), held[0], env)
        finally:
            os.close(held[0])
            os.close(held[1])

    def _run(
        self, engines: tuple[str, ...], stdin: int, env: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.python, self.root / "script/install.py", "engines", *engines],
            stdin=stdin,
            start_new_session=True,
            timeout=300,
            capture_output=True,
            text=True,
            env={"PATH": str(self.bin), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels)}
            | env,
        )

    def installed(self) -> set[str]:
        """What is installed, but for pip and setuptools."""
        names = (path.name.removesuffix(".dist-info") for path in self.packages.glob("*.dist-info"))
        return {name for name in names if not name.startswith(("pip-", "setuptools-"))}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    return Clone(tmp_path_factory.mktemp("install") / "clone")


@pytest.fixture(autouse=True)
def emptied(clone: Clone) -> Iterator[None]:
    yield
    clone.empty()
    for name in clone.installed():  # quicker than pip
        shutil.rmtree(clone.packages / f"{name}.dist-info")
        shutil.rmtree(clone.packages / name.partition("-")[0])
    shutil.rmtree(clone.packages / "hibari", ignore_errors=True)  # of hibari_tts
    for name in ("engines.stamp", "setup.stamp", "begun.json"):
        (clone.root / ".venv" / name).unlink(missing_ok=True)


TORCH_CPU = """\
torch @ https://download.pytorch.org/whl/cpu/torch-2.13.0%2Bcpu-py3-none-any.whl ; python_version > '3' \\
    --hash=sha256:{hash}
"""  # noqa: E501


def lock_torch(clone: Clone) -> None:
    """The locked torch is the CPU build; the index also has a later one of the same version."""
    cpu = make_wheel(clone.wheels, "torch", "2.13.0+cpu", {"torch/version.py": "cuda = hip = None"})
    make_wheel(clone.wheels, "torch", "2.13.0", {"torch/version.py": "cuda = '13.0'"})
    (clone.root / "requirements/torch-cpu.txt").write_text(TORCH_CPU.format(hash=cpu))


@without_gpu
def test_coqui_is_installed_as_it_is_locked_and_once(clone: Clone) -> None:
    lock_torch(clone)
    clone.lock("coqui.txt", speech="1.5", helper="3.0")
    make_wheel(clone.wheels, "speech", "2.0")
    result = clone.install()
    assert result.returncode == 0, result.stderr
    assert clone.installed() == {"torch-2.13.0+cpu", "speech-1.5", "helper-3.0"}
    assert "[install] no GPU here that CSM runs on: installing Coqui" in result.stderr
    again = clone.install()
    assert (again.returncode, again.stderr) == (3, "")
    clone.lock("coqui.txt", speech="2.0", helper="3.0")
    assert clone.install().returncode == 0
    assert "speech-2.0" in clone.installed()


@without_gpu
def test_a_cuda_torch_never_comes_to_a_cpu(clone: Clone) -> None:
    lock_torch(clone)
    clone.lock("coqui.txt", speech="1.5")
    next(clone.wheels.glob("torch-2.13.0+cpu-*")).unlink()
    result = clone.install()
    assert result.returncode == 1
    assert "WYOMING_CSM_TORCH_INDEX" in result.stderr
    assert clone.installed() == set()
    assert not (clone.root / ".venv/unpacking").exists()


@without_gpu
def test_another_torch_can_be_named(clone: Clone) -> None:
    lock_torch(clone)
    clone.lock("coqui.txt", speech="1.5")
    make_wheel(clone.wheels, "torch", "2.14.0", {"torch/version.py": "cuda = hip = None"})
    result = clone.install(WYOMING_CSM_TORCH="torch==2.14.0")
    assert result.returncode == 0, result.stderr
    assert clone.installed() == {"torch-2.14.0", "speech-1.5"}


@without_gpu
def test_the_halves_of_a_run_that_was_killed_are_removed(clone: Clone) -> None:
    lock_torch(clone)
    clone.lock("coqui.txt", speech="1.5")
    before = sorted(path.name for path in clone.packages.iterdir())
    (clone.root / ".venv/begun.json").write_text(json.dumps(before))
    (clone.packages / "torch/lib").mkdir(parents=True)
    (clone.packages / "torch/lib/half.so").touch()
    (clone.packages / "half.py").touch()
    assert clone.install().returncode == 0
    assert not (clone.packages / "torch/lib").exists()
    assert not (clone.packages / "half.py").exists()
    assert (clone.packages / "pip").exists()
    assert not (clone.root / ".venv/begun.json").exists()


@without_gpu
def test_a_disk_without_room_is_said_before_anything_is_fetched(clone: Clone) -> None:
    lock_torch(clone)
    clone.lock("coqui.txt", speech="1.5")
    text = (clone.root / "script/install.py").read_text()
    (clone.root / "script/install.py").write_text(text.replace('"cpu": 3', '"cpu": 10**9'))
    result = clone.install()
    (clone.root / "script/install.py").write_text(text)
    assert result.returncode == 1
    assert "1000000000 GB of disk are needed" in result.stderr
    assert clone.installed() == set()


def lock_cuda(clone: Clone) -> Path:
    """A GPU, as nvidia-smi shows it, and the torch for it. The stand-in for nvidia-smi."""
    torch = make_wheel(clone.wheels, "torch", "2.13.0", {"torch/version.py": "cuda = '13.0'"})
    (clone.root / "requirements/torch-cu130.txt").write_text(f"torch==2.13.0 --hash=sha256:{torch}")
    clone.lock("csm.txt", speech="2.13.0")
    clone.lock("coqui.txt", other="2.13.0")
    smi = clone.bin / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho 580.65.06, 8.9, RTX 4090\n")
    smi.chmod(0o755)
    return smi


@without_gpu
def test_a_gpu_gets_csm_and_coqui_and_has_its_torch_when_it_is_away(clone: Clone) -> None:
    """A driver that is not loaded at a boot costs no gigabytes twice."""
    smi = lock_cuda(clone)
    text = (clone.root / "script/install.py").read_text()
    (clone.root / "script/install.py").write_text(text.replace('"cu130": 12', '"cu130": 0'))
    first = clone.install()
    (clone.root / "script/install.py").write_text(text)
    smi.unlink()
    assert first.returncode == 0, first.stderr
    assert "a GPU is here: installing CSM" in first.stderr
    assert clone.installed() == {"torch-2.13.0", "speech-2.13.0", "other-2.13.0"}
    away = clone.install()
    assert away.returncode == 3
    assert away.stderr == "[install] no GPU is here now: torch's build for it stays\n"


@without_gpu
def test_only_what_the_configuration_wants_is_installed(clone: Clone) -> None:
    assert clone.install("system").returncode == 3
    assert clone.install("csm", "system").returncode == 3
    assert clone.installed() == set()


@without_gpu
def test_a_driver_too_old_is_said_at_each_start(clone: Clone) -> None:
    smi = clone.bin / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho 470.82.01, 8.6, RTX 3060\n")
    smi.chmod(0o755)
    said = [clone.install("csm").stderr for _ in range(2)]
    assert all("RTX 3060, driver 470.82.1: the driver is too old. Update it" in s for s in said)


@pytest.fixture
def packages(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> Packages:
    """What install.py installs with, in the clone's environment; without uv."""
    monkeypatch.setattr("install.REQUIREMENTS", clone.root / "requirements")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(clone.wheels))
    monkeypatch.setenv("PATH", str(clone.bin))
    return Packages(clone.python, lambda words: None)


def lock_voice(clone: Clone, said: str) -> None:
    """A base with a voice that does this when it is to speak."""
    clone.lock("base.txt", server="1.0")
    module = f"class Hibari:\n    def __call__(self, text):\n        {said}\n"
    voice = make_wheel(clone.wheels, "hibari_tts", "0.2.1", {"hibari/__init__.py": module})
    base = (clone.root / "requirements/base.txt").read_text()
    locked = f"{base}hibari-tts==0.2.1 --hash=sha256:{voice}"
    (clone.root / "requirements/hibari.txt").write_text(locked)


@pytest.mark.parametrize("runs", [True, False])
def test_a_voice_stays_where_it_runs(clone: Clone, packages: Packages, runs: bool) -> None:
    lock_voice(clone, "return b''" if runs else "import os; os.kill(os.getpid(), 4)  # SIGILL")
    assert install_with_voice(packages) is None
    remove_broken_voice(packages, try_voice(clone.python))
    assert clone.installed() == {"server-1.0", *(["hibari_tts-0.2.1"] if runs else [])}


def test_where_there_is_no_wheel_the_base_is_installed(
    clone: Clone, packages: Packages, capsys: pytest.CaptureFixture[str]
) -> None:
    lock_voice(clone, "return b''")
    (wheel,) = clone.wheels.glob("hibari*")
    wheel.rename(clone.wheels / wheel.name.replace("-py3-none-any", "-py3-none-win_arm64"))
    assert isinstance(install_with_voice(packages), NoFile)
    assert "without Hibari, Pico speaks English: the package index" in capsys.readouterr().err
    assert clone.installed() == {"server-1.0"}


def test_where_the_voice_fails_the_base_is_installed(clone: Clone, packages: Packages) -> None:
    lock_voice(clone, "return b''")
    make_wheel(clone.wheels, "hibari_tts", "0.2.1", {"hibari/__init__.py": "another"})
    assert type(install_with_voice(packages)) is InstallError, "the next start tries again"
    assert clone.installed() == {"server-1.0"}


def test_what_does_not_meet_its_declaration_is_said(
    clone: Clone, capsys: pytest.CaptureFixture[str]
) -> None:
    make_wheel(clone.wheels, "needy", "1.0", requires="absent>=2")
    packages = Packages(clone.python, lambda words: None)
    assert check(packages)
    packages.pip("install", "--no-deps", "--no-index", "--find-links", str(clone.wheels), "needy")
    assert not check(packages)
    assert (
        "pip check: needy 1.0 requires absent, which is not installed." in capsys.readouterr().err
    )


def test_it_ends_with_the_server(clone: Clone) -> None:
    """Even while it waits for another that installs."""
    with (
        (clone.root / ".venv.lock").open("a") as lock,
        subprocess.Popen(
            [clone.python, clone.root / "script/install.py", "engines"],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert process.stdin is not None
        assert process.stderr is not None
        assert b"another start is installing here" in process.stderr.readline()
        process.stdin.close()
        assert process.wait(60) == -signal.SIGKILL
