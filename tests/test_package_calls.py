"""What of a user's settings pip and uv get to see, and how a failure is told."""

import os
from contextlib import nullcontext
from pathlib import Path

import install
import pytest
from package_calls import (
    InstallError,
    Packages,
    as_toml,
    clean_environment,
    explain,
    tell,
    uv_settings,
)

from tests.tiny_wheels import make_environment, make_wheel

# What pip documents as configurable and what would change which packages are installed, or where.
STEERING = (
    *("user", "target", "prefix", "root", "platform", "python-version", "abi", "implementation"),
    *("pre", "upgrade", "no-deps", "constraint", "requirement", "editable", "no-binary"),
    *("only-binary", "ignore-installed", "force-reinstall", "require-virtualenv", "python"),
    *("dry-run", "report", "build-constraint", "no-build-isolation", "config-settings", "isolated"),
)


@pytest.mark.parametrize("option", STEERING)
def test_what_steers_pip_is_withheld_from_it(option: str) -> None:
    variable = "PIP_" + option.upper().replace("-", "_")
    told = f"install.{option}='1'\nglobal.{option}='1'\n:env:.{option}='1'\n"
    assert variable not in clean_environment({variable: "1", "PIP_CONFIG_FILE": "/x"}, told)


def test_where_packages_come_from_is_honoured() -> None:
    told = (
        "global.index-url='https://mirror/simple'\n"
        "global.extra-index-url='\\nhttps://one\\nhttps://two'\n"
        "install.find-links='/wheels'\n"
        "global.find-links='/others'\n"
        "For variant 'global', will try loading '/etc/pip.conf'\n"
        "global.cert='/a b/ca.pem'\n"
        "freeze.cert='/no'\n"
    )
    environ = {"PIP_PROXY": "http://proxy:1", "HTTPS_PROXY": "http://p:2", "SSL_CERT_FILE": "/ca"}
    assert clean_environment(environ, told) == {
        "UV_DEFAULT_INDEX": "https://mirror/simple",
        "HTTPS_PROXY": "http://p:2",
        "SSL_CERT_FILE": "/ca",
        "PIP_INDEX_URL": "https://mirror/simple",
        "PIP_EXTRA_INDEX_URL": "https://one https://two",
        "PIP_FIND_LINKS": "/wheels",
        "PIP_PROXY": "http://proxy:1",
        "PIP_CERT": "/a b/ca.pem",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INPUT": "1",
    }


def test_uvs_and_pythons_variables() -> None:
    environ = {
        "UV_TARGET": "/x",
        "UV_CONSTRAINT": "c",
        "UV_PRERELEASE": "allow",
        "UV_PYTHON": "3.9",
        "UV_DEFAULT_INDEX": "https://i",
        "UV_INDEX_MINE_PASSWORD": "p",
        "UV_OFFLINE": "1",
        "PYTHONPATH": "/x",
        "PYTHONHOME": "/y",
        "PATH": "/bin",
        "UV_CONFIG_FILE": "/z",
    }
    passed = clean_environment(environ, "")
    assert set(passed) - {"PIP_CONFIG_FILE", "PIP_NO_INPUT"} == {
        *("UV_DEFAULT_INDEX", "UV_INDEX_MINE_PASSWORD", "UV_OFFLINE", "PATH")
    }


def test_uvs_file(tmp_path: Path) -> None:
    file = tmp_path / "uv.toml"
    file.write_text(
        'index-url = "https://i"\nprerelease = "allow"\nnative-tls = true\n'
        '[[index]]\nname = "a"\nurl = "https://a"\ndefault = true\n'
        '[pip]\ntarget = "/x"\nfind-links = ["/w"]\n'
    )
    passed = uv_settings([tmp_path / "none.toml", file])
    assert set(passed) == {"index-url", "native-tls", "index", "find-links"}
    (tmp_path / "again.toml").write_text(as_toml(passed))
    assert uv_settings([tmp_path / "again.toml"]) == passed


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left", "disk"),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]", "certificate"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS", "mirror or proxy"),
        ("NewConnectionError: [Errno -3] Temporary failure in name resolution\nERROR: No matching "
         "distribution found for numpy==2.4.6", "is the network there?"),
        ("ERROR: No matching distribution found for numpy==2.4.6", "does not have it"),
        ("ERROR: [Errno 13] Permission denied: '/x'", "cannot be written"),
        ("error: connection-failed\n\n\u00d7 Failed to connect to index.example while fetching x\n"
         "\u2570\u2500> Failed to resolve IP address for 'index.example'", "is the network there?"),
        ("\u00d7 Failed to establish a secure connection to index.example", "is not trusted here"),
        ("error: Failed to fetch\n  Caused by: dns error", "is the network there?"),
    ],
)  # fmt: skip
def test_a_failure_is_told_by_its_real_cause(said: str, meaning: str) -> None:
    assert meaning in explain(said)


def test_a_terminal_that_was_closed_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    end, other = os.openpty()
    os.close(end)
    closed = open(other, "w")  # noqa: SIM115 -- closing it fails, too
    monkeypatch.setattr("sys.stderr", closed)
    tell("nobody reads this")
    monkeypatch.undo()
    with pytest.raises(OSError, match="Input/output"):
        closed.close()


def test_what_is_not_known_is_told_in_its_own_words() -> None:
    said = "WARNING: x\nERROR: Can not perform a '--user' install.\nnotice"
    assert explain(said) == "ERROR: Can not perform a '--user' install."
    assert "network" not in explain(said)


def test_what_is_unpacked_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$TOLD"\n')
    python.chmod(0o755)
    monkeypatch.setenv("TOLD", "Installing collected packages: torch, numpy, six")
    Packages(python, said.append).pip("install", "torch")
    monkeypatch.setenv("TOLD", "Installing collected packages: wyoming-csm")
    Packages(python, said.append).pip("install", ".")
    assert said == ["unpacking 3 packages", "unpacking wyoming-csm"]


@pytest.mark.parametrize(("command", "says"), [("base", False), ("development", True)])
def test_one_of_installer_and_caller_says_that_it_was_stopped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, says: bool
) -> None:
    """run.sh runs `base` and says it; `development` takes the place of its shell."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(install, command, interrupted)
    monkeypatch.setattr(install, "alone", nullcontext)
    monkeypatch.setattr("sys.argv", ["install.py", command])
    assert install.main() == 130
    assert ("stopped; the next start goes on" in capsys.readouterr().err) is says


@pytest.mark.slow
def test_a_users_install_setting_harms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real pip, told by variable and by file to install elsewhere and other things."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # no uv
    python = make_environment(tmp_path / "venv")
    wheel = make_wheel(tmp_path, "thing", "1.0")
    make_wheel(tmp_path, "thing", "2.0")
    (tmp_path / "pip.conf").write_text(
        f"[install]\nuser = true\ntarget = {tmp_path}/x\nupgrade = true\n"
        "[global]\nquiet = 1\n"
        f"find-links = {tmp_path}\nno-index = true\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setenv("PIP_PYTHON_VERSION", "3.7")
    monkeypatch.setenv("PIP_QUIET", "1")
    monkeypatch.setenv("PIP_PYTHON", "/nowhere/python")
    locked = tmp_path / "locked.txt"
    locked.write_text(f"thing==1.0 --hash=sha256:{wheel}\n")
    Packages(python, lambda words: None).install_locked(locked, quick=True)
    (found,) = (tmp_path / "venv").glob("lib/*/site-packages/thing-*")
    assert found.name == "thing-1.0.dist-info"
    locked.write_text(f"thing==2.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(InstallError, match="a mirror or proxy changed it"):
        Packages(python, lambda words: None).install_locked(locked)
