"""The installer beside the server: what it installs, what it says, and that it ends with it."""

import os
import select
import signal
import subprocess
import venv
from pathlib import Path

import pytest

from tests.fake_clone import BASE, ROOT, Clone, read_until

has_gpu = os.path.exists("/dev/nvidiactl") or os.path.exists("/dev/kfd")
without_gpu = pytest.mark.skipif(has_gpu, reason="this machine has a GPU")


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


@without_gpu
def test_coqui_is_installed_behind_the_server(clone: Clone) -> None:
    with clone.start("wait") as process:
        assert process.stdout is not None
        said = process.stdout.read()
    assert "[engines] no GPU here that CSM runs on: installing Coqui" in said
    assert "[engines] downloading big-1.0 (123.4 MB)\n" in said
    assert "[engines] downloading small" not in said
    assert "got SIGHUP" in said
    assert clone.log[2:] == [
        "pip install --progress-bar off torch==2.13.0",
        "pip install --progress-bar off --constraint .venv/constraints.txt --editable .[coqui]",
    ]
    assert (clone.root / ".venv/constraints.txt").read_text() == "numpy==2.0\n"
    done = len(clone.log)
    with clone.start() as process:
        assert process.stdout is not None
        assert "[engines]" not in process.stdout.read()
    assert len(clone.log) == done


@without_gpu
@pytest.mark.parametrize(
    ("env", "asked"),
    [
        ({"NO_INDEX": "0"}, "torch==2.13.0 torchaudio --index-url https://download.pytorch.org/"),
        ({"NO_INDEX": "0", "WYOMING_CSM_TORCH": "torch==9 x"}, "torch==9 x --index-url https://d"),
        ({"WYOMING_CSM_TORCH": "torch==9"}, "torch==9"),
        (
            {"WYOMING_CSM_TORCH_INDEX": "https://here/cpu"},
            "torch==2.13.0 torchaudio --index-url https://here/cpu",
        ),
    ],
)
def test_which_torch(clone: Clone, env: dict[str, str], asked: str) -> None:
    with clone.start("wait", **env) as process:
        assert process.stdout is not None
        process.stdout.read()
    assert clone.log[2].startswith(f"pip install --progress-bar off {asked}")


@without_gpu
def test_a_cuda_torch_never_comes_to_a_cpu(clone: Clone) -> None:
    clone.report("nvidia-cudnn-cu13")
    with clone.start("wait") as process:
        said = read_until(process, "The server goes on", "serving")
        process.terminate()
    assert "CUDA build of gigabytes (with nvidia-cudnn-cu13)" in said
    assert "WYOMING_CSM_TORCH_INDEX" in said
    assert clone.log == ["venv python3.11", BASE]


def test_a_torch_whose_unpacking_was_interrupted_is_none(tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=False)
    (packages,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    (packages / "torch").mkdir()
    (packages / "torch/__init__.py").touch()
    (packages / "torch/version.py").write_text("cuda = hip = None\n")
    assert torch_build(tmp_path / "venv") == "none"
    (packages / "torch-2.13.0.dist-info").mkdir()
    (packages / "torch-2.13.0.dist-info/METADATA").write_text("Name: torch\nVersion: 2.13.0\n")
    assert torch_build(tmp_path / "venv") == "cpu"


def torch_build(environment: Path) -> str:
    """What the scripts take the torch in an environment for."""
    ask = ". script/common.sh; PYTHON=$1/bin/python; torch_build"
    return subprocess.run(
        ["bash", "-c", ask, "bash", environment], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()


@without_gpu
def test_a_failed_install_is_said_and_tried_again(clone: Clone) -> None:
    with clone.start("wait", PIP_FAILS="[coqui]") as process:
        said = read_until(process, "The server goes on", "serving")
        process.terminate()
        assert process.stdout is not None
        assert "got SIGTERM" in process.stdout.read()  # it never got the other one
    assert "[engines] ERROR: no such thing" in said
    tried = len(clone.log)
    with clone.start("wait") as process:
        read_until(process, "got SIGHUP")
    assert len(clone.log) > tried


def test_csm_is_installed_where_an_nvidia_gpu_is(clone: Clone) -> None:
    clone.add("nvidia-smi", "#!/bin/bash\n")
    with clone.start("wait") as process:
        read_until(process, "got SIGHUP")
    assert clone.log[2:] == [
        "pip install --progress-bar off torch==2.13.0",
        "pip install --progress-bar off --constraint .venv/constraints.txt --editable .[csm]",
    ]


def test_a_torch_for_the_cpu_is_replaced_where_a_gpu_is(clone: Clone) -> None:
    clone.add("nvidia-smi", "#!/bin/bash\n")
    with clone.start("wait", TORCH_BUILD="cpu") as process:
        read_until(process, "got SIGHUP")
    assert (
        clone.log[2] == "pip install --progress-bar off --force-reinstall --no-deps torch==2.13.0"
    )


def test_a_driver_too_old_is_said(clone: Clone) -> None:
    clone.add("nvidia-smi", "#!/bin/bash\n")
    with clone.start("wait", NO_CUDA="1") as process:
        said = read_until(process, "The server goes on", "serving")
        process.terminate()
    assert "its driver is too old for torch==2.13.0. Update the driver, or set" in said


def test_when_the_server_ends_so_does_the_installer(clone: Clone) -> None:
    with clone.start("wait", PIP_WAITS="torch") as process:
        read_until(process, "[engines] downloading big", "serving")
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        said = process.stdout.read()  # ends when nobody holds it any more
    assert "got SIGTERM" in said
    assert "[engines]" not in said
    (waiting,) = (int(line.split()[1]) for line in clone.log if line.startswith("waiting"))
    try:
        ended, _, _ = select.select([os.pidfd_open(waiting)], [], [], 5)
    except ProcessLookupError:
        return
    assert ended


def test_killed_servers_leave_nothing_either(clone: Clone) -> None:
    with clone.start("wait", PIP_WAITS="torch") as process:
        read_until(process, "[engines] downloading big", "serving")
        process.kill()
        assert process.stdout is not None
        process.stdout.read()
    assert not list((clone.root / ".venv").glob("alive*"))


def test_two_at_once_install_one_after_the_other(clone: Clone) -> None:
    clone.run("--light")
    with clone.start("--light") as one, clone.start("--light") as other:
        one.communicate()
        other.communicate()
    assert (one.returncode, other.returncode) == (0, 0)
    with (clone.root / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    with clone.start("--light") as one, clone.start("--light") as other:
        one.communicate()
        other.communicate()
    assert (one.returncode, other.returncode) == (0, 0)
    assert clone.log == ["venv python3.11", BASE, BASE]
