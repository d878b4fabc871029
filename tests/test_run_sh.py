"""run.sh: its words, which Python, when it installs, and what it leaves behind: nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fake_clone import BASE, PYTHON, Clone, read_until

TOO_OLD = "#!/bin/bash\nexit 1\n"
SHIM = "#!/bin/bash\necho 'command not found' >&2\nexit 127\n"
WITHOUT_VENV = PYTHON.replace('case "$*" in', 'case "$*" in\n  *ensurepip*) exit 1 ;;', 1)


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def test_words_are_passed_on(clone: Clone) -> None:
    result = clone.run("--uri", "tcp://127.0.0.1:1", "--light", "--debug", "a b", "*")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("serving")  # all else goes to standard error
    assert result.stdout.rstrip().endswith("/a clone --uri tcp://127.0.0.1:1 --light --debug a b *")


def test_the_server_is_told_who_installs_engines(clone: Clone) -> None:
    server = PYTHON.replace('echo "serving', 'echo "$WYOMING_CSM_INSTALLER"; echo "serving')
    clone.add("python3.11", server)
    assert clone.run().stdout.startswith(f"{clone.root}/script/install.py\n")


def test_the_server_is_the_process_that_was_started(clone: Clone) -> None:
    with clone.start("--light") as process:
        assert process.stdout is not None
        assert f"serving {process.pid} " in process.stdout.read()


def test_a_sighup_while_the_server_starts_does_not_end_it(clone: Clone) -> None:
    server = PYTHON.replace('echo "serving', 'kill -HUP $$; echo "serving')
    clone.add("python3.11", server)
    assert clone.run().stdout.startswith("serving")


def test_the_exit_code_is_the_commands(clone: Clone) -> None:
    clone.run("--light")
    (clone.root / ".venv/bin/python").write_text(PYTHON.replace("shift 2; echo", "exit 2; echo"))
    assert clone.run("--light").returncode == 2


def test_the_base_is_installed_once(clone: Clone) -> None:
    first = clone.run("--light")
    assert clone.log == ["venv python3.11", BASE]
    assert "installing the base" in first.stderr
    assert clone.run("--light").stderr == ""
    assert clone.log == ["venv python3.11", BASE]
    with (clone.root / "requirements/base.txt").open("a") as file:
        file.write("# changed\n")
    clone.run("--light")
    assert clone.log[2:] == [f"{BASE} --hurry"]  # there is something to go on with
    clone.run("--light", VERSION="3.11.10")
    assert clone.log[3:] == [f"{BASE} --hurry"]
    clone.root.rename(clone.root.parent / "moved")
    clone.root = clone.root.parent / "moved"
    clone.run("--light")
    assert clone.log[4:] == [f"{BASE} --hurry"]


def test_a_base_with_a_hole_is_made_anew(clone: Clone) -> None:
    """What pip takes for installed may have lost its files."""
    clone.run()
    (clone.root / ".venv/base.stamp").unlink()
    (clone.root / ".venv/hole").touch()
    result = clone.run()
    assert result.stdout.startswith("serving"), result.stderr
    assert clone.log[2:] == [BASE, "venv python3.11", BASE]
    assert clone.run().stderr == ""


def test_a_broken_environment_is_made_anew(clone: Clone) -> None:
    clone.run("--light")
    python = clone.root / ".venv/bin/python"
    python.unlink()
    python.symlink_to("/nowhere/python")
    assert clone.run("--light").returncode == 0
    assert clone.log[2:] == ["venv python3.11", BASE]


def test_an_environment_whose_making_was_interrupted_is_made_anew(clone: Clone) -> None:
    clone.add("python3.11", PYTHON.replace('bin/python" ;;', 'bin/python"; kill -9 $PPID ;;'))
    assert clone.run("--light").returncode != 0
    clone.add("python3.11", PYTHON)
    assert clone.run("--light").returncode == 0
    assert clone.log == ["venv python3.11", "venv python3.11", BASE]
    (clone.root / ".venv/base.stamp").unlink()
    assert clone.run("--light").returncode == 0
    assert clone.log[3:] == [f"{BASE} --hurry"]


CHANGES = {
    "git pull": "echo '# changed' >>requirements/base.txt",
    "another Python": "sed -i 's/3.11.9/3.11.10/' .venv/bin/python",
    "moved": "true",
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("obstacle", ["no network", "read-only"])
def test_a_whole_environment_always_starts(clone: Clone, change: str, obstacle: str) -> None:
    clone.run()
    if change == "moved":
        clone.root = clone.root.rename(clone.root.parent / "moved")
    subprocess.run(["bash", "-c", CHANGES[change]], cwd=clone.root, check=True)
    if obstacle == "read-only":
        (clone.root / ".venv.lock").unlink()
        (clone.root / ".venv.lock").symlink_to("/proc/no/such")  # root, too, cannot write that
    result = clone.run(INSTALL_FAILS="yes")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("serving")
    cause = "not installed: no network" if obstacle == "no network" else "cannot be written by this"
    assert cause in result.stderr
    assert "going on with what is installed; the next start tries again" in result.stderr
    if obstacle == "no network":
        clone.run()
        assert clone.log[-1] == f"{BASE} --hurry"


def test_a_folder_that_cannot_be_written_is_said(clone: Clone) -> None:
    (clone.root / ".venv.lock").mkdir()
    result = clone.run("--light", NOT_WHOLE="1")
    assert result.returncode == 1
    assert result.stderr == (
        f"[run.sh] {clone.root} cannot be written by this user:"
        " start as its owner, or clone where you may write\n"
    )


def test_without_the_base_the_cause_is_said_and_it_is_tried_again(clone: Clone) -> None:
    result = clone.run("--light", INSTALL_FAILS="yes", NOT_WHOLE="1")
    assert result.returncode == 1
    assert "[run.sh] not installed: no network" in result.stderr
    assert "serving" not in result.stdout
    assert clone.run("--light").returncode == 0


def test_a_first_start_that_waits_for_another_says_so(clone: Clone) -> None:
    with clone.start(INSTALL_WAITS="yes") as one:
        read_until(one, "at work")
        with clone.start(NOT_WHOLE="1") as other:
            read_until(other, "another start is installing here: waiting for it")
            assert "serving" in one.communicate()[0]  # ends its input: it goes on
            assert other.communicate()[0].startswith("serving")
    assert clone.log == ["venv python3.11", BASE]  # once for both


def test_one_that_can_serve_waits_for_no_other(clone: Clone) -> None:
    clone.run()
    (clone.root / ".venv/base.stamp").unlink()
    with clone.start(INSTALL_WAITS="yes") as one:
        read_until(one, "at work")
        result = clone.run()
        assert one.poll() is None
        assert result.stdout.startswith("serving")
        assert "another start is installing here" in result.stderr
        one.communicate()


def test_a_start_that_is_stopped_says_so_in_a_line(clone: Clone) -> None:
    with clone.start(INSTALL_WAITS="yes", start_new_session="yes") as process:
        assert process.stdout is not None
        read_until(process, "at work")
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        said = process.stdout.read()
    assert process.returncode == 130
    assert said.count("[run.sh] stopped; the next start goes on\n") == 1
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "environ",
    [
        {"PYTHONHOME": "/nowhere", "PYTHONPATH": "/nowhere", "PYTHONINSPECT": "1"},
        {"CDPATH": "/", "SHELLOPTS": "noclobber", "BASH_ENV": "/nowhere"},
        {"UV_WORKING_DIR": "/nowhere", "UV_EXCLUDE_NEWER": "2020-01-01"},
    ],
)
def test_what_a_users_shell_says_is_not_meant_for_it(clone: Clone, environ: dict[str, str]) -> None:
    server = PYTHON.replace('echo "serving', 'compgen -e PYTHON; compgen -e UV_; echo "serving')
    clone.add("python3.11", server)
    clone.run(**environ)
    result = clone.run(**environ)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("serving")


@pytest.mark.parametrize(
    ("pythons", "chosen"),
    [
        ({"python3.13": PYTHON, "python3.11": PYTHON, "python3": PYTHON}, "python3.13"),
        ({"python3.13": SHIM, "python3.12": PYTHON, "python3": PYTHON}, "python3.12"),
        ({"python3.12": WITHOUT_VENV, "python3.11": PYTHON}, "python3.11"),
        ({"python3.12": TOO_OLD, "python3": PYTHON}, "python3"),
    ],
)
def test_the_newest_python_that_serves(
    tmp_path: Path, pythons: dict[str, str], chosen: str
) -> None:
    clone = Clone(tmp_path, pythons=())
    for name, script in pythons.items():
        clone.add(name, script)
    assert clone.run("--light").returncode == 0
    assert clone.log[0] == f"venv {chosen}"


def test_a_named_python_is_taken(clone: Clone, tmp_path: Path) -> None:
    clone.add("my own", PYTHON)
    clone.run("--light", WYOMING_CSM_PYTHON=str(tmp_path / "bin/my own"))
    assert clone.log[0] == "venv my own"


def test_a_named_python_that_does_not_serve_is_said(clone: Clone) -> None:
    result = clone.run("--light", WYOMING_CSM_PYTHON="python3.99")
    assert result.returncode == 1
    assert "WYOMING_CSM_PYTHON=python3.99 is no Python from 3.11 to 3.14" in result.stderr


def test_uv_makes_the_environment_where_it_is(clone: Clone) -> None:
    clone.add(
        "uv",
        '#!/bin/bash\necho "uv $*" >>"$LOG"\n'
        '[ "$1" != venv ] || { mkdir -p "${@: -1}/bin"; cp "$4" "${@: -1}/bin/python"; }\n',
    )
    result = clone.run("--light")
    assert result.returncode == 0, result.stderr
    python = clone.path / "python3.11"
    assert clone.log == [
        f"uv venv --quiet --python {python} .venv",
        "uv pip install --quiet --python .venv/bin/python --require-hashes --requirement"
        " requirements/pip.txt",
        BASE,
    ]


def test_with_uv_the_python_that_is_there_needs_no_venv_module(clone: Clone) -> None:
    clone.add("python3.11", WITHOUT_VENV)
    uv = '[ "$1" != venv ] || { mkdir -p "${@: -1}/bin"; cp "$4" "${@: -1}/bin/python"; }\n'
    clone.add("uv", f"#!/bin/bash\n{uv}")
    result = clone.run("--light")
    assert result.returncode == 0, result.stderr
    assert f"with uv and Python {clone.path}/python3.11" in result.stderr


SUDO = "" if os.geteuid() == 0 else "sudo "


def test_a_missing_venv_names_the_command(tmp_path: Path) -> None:
    clone = Clone(tmp_path, pythons=())
    clone.add("python3", WITHOUT_VENV)
    result = clone.run("--light")
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert result.returncode == 1
    update = f"{SUDO}apt-get update && "
    assert f"    {update}{SUDO}apt-get install -y python{minor}-venv\n" in result.stderr
    assert "https://docs.astral.sh/uv" in result.stderr


def test_a_missing_python_names_the_command_that_apt_knows(tmp_path: Path) -> None:
    clone = Clone(tmp_path, pythons=())
    clone.add("python3", TOO_OLD)
    result = clone.run("--light")
    assert result.returncode == 1
    assert f"{SUDO}apt-get update" in result.stderr
    clone.add("apt-cache", '#!/bin/bash\n[ "$2" = python3.11-venv ]\n')
    result = clone.run("--light")
    assert result.returncode == 1
    assert f"{SUDO}apt-get install -y python3.11 python3.11-venv\n" in result.stderr
