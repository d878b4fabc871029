"""run.sh: its words, which Python, when it installs, and what it leaves behind: nothing."""

import os
import sys
from pathlib import Path

import pytest

from tests.fake_clone import BASE, PYTHON, Clone

TOO_OLD = "#!/bin/bash\nexit 1\n"
SHIM = "#!/bin/bash\necho 'command not found' >&2\nexit 127\n"
WITHOUT_VENV = PYTHON.replace('case "$*" in', 'case "$*" in\n  *ensurepip*) exit 1 ;;', 1)


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def test_words_are_passed_on_without_light(clone: Clone) -> None:
    result = clone.run("--uri", "tcp://127.0.0.1:1", "--light", "--debug", "a b", "*")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("serving")  # all else goes to standard error
    assert result.stdout.rstrip().endswith("/a clone --uri tcp://127.0.0.1:1 --debug a b *")


def test_no_words_at_all(clone: Clone) -> None:
    result = clone.run("--light")
    assert result.stdout.rstrip().endswith("/a clone")


def test_the_server_is_the_process_that_was_started(clone: Clone) -> None:
    with clone.start("--light") as process:
        assert process.stdout is not None
        assert f"serving {process.pid} " in process.stdout.read()


def test_the_exit_code_is_the_commands(clone: Clone) -> None:
    clone.run("--light")
    (clone.root / ".venv/bin/python").write_text(PYTHON.replace("shift 2; exec", "exit 2; exec"))
    assert clone.run("--light").returncode == 2


def test_the_base_is_installed_once(clone: Clone) -> None:
    first = clone.run("--light")
    assert clone.log == ["venv python3.11", BASE]
    assert "installing the base" in first.stderr
    assert clone.run("--light").stderr == ""
    assert clone.log == ["venv python3.11", BASE]
    with (clone.root / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    clone.run("--light")
    assert clone.log[2:] == [BASE]
    clone.run("--light", VERSION="3.11.10")
    assert clone.log[3:] == [BASE]
    clone.root.rename(clone.root.parent / "moved")
    clone.root = clone.root.parent / "moved"
    clone.run("--light")
    assert clone.log[4:] == [BASE]


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
    assert clone.log[3:] == [BASE]


def test_a_folder_that_cannot_be_written_is_said(clone: Clone) -> None:
    (clone.root / ".venv.lock").mkdir()  # root, too, cannot open that
    result = clone.run("--light")
    assert result.returncode == 1
    assert result.stderr == (
        f"[run.sh] {clone.root} cannot be written by this user:"
        " start as its owner, or clone where you may write\n"
    )


def test_without_the_network_the_base_says_so_and_is_tried_again(clone: Clone) -> None:
    result = clone.run("--light", PIP_FAILS="--editable")
    assert result.returncode == 1
    assert "could not be installed" in result.stderr
    assert "serving" not in result.stdout
    assert clone.run("--light").returncode == 0


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
    assert "WYOMING_CSM_PYTHON=python3.99 is no Python from 3.11" in result.stderr


def test_uv_makes_the_environment_where_it_is(clone: Clone) -> None:
    clone.add(
        "uv",
        '#!/bin/bash\necho "uv $*" >>"$LOG"\n'
        '[ "$1" != venv ] || { mkdir -p "${@: -1}/bin"; cp "$5" "${@: -1}/bin/python"; }\n',
    )
    result = clone.run("--light")
    assert result.returncode == 0, result.stderr
    python = clone.path / "python3.11"
    assert clone.log == [
        f"uv venv --quiet --seed --python {python} .venv",
        "uv pip install --quiet --python .venv/bin/python --editable .",
    ]


SUDO = "" if os.geteuid() == 0 else "sudo "


def test_a_missing_venv_names_the_command(tmp_path: Path) -> None:
    clone = Clone(tmp_path, pythons=())
    clone.add("python3", WITHOUT_VENV)
    result = clone.run("--light")
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert result.returncode == 1
    assert f"    {SUDO}apt-get install -y python{minor}-venv\n" in result.stderr


def test_a_missing_python_names_the_command_that_apt_knows(tmp_path: Path) -> None:
    clone = Clone(tmp_path, pythons=())
    clone.add("python3", TOO_OLD)
    result = clone.run("--light")
    assert result.returncode == 1
    assert f"{SUDO}apt-get update" in result.stderr
    clone.add("apt-cache", '#!/bin/bash\n[ "$2" = python3.11-venv ]\n')
    result = clone.run("--light")
    assert result.returncode == 1
    assert f"    {SUDO}apt-get install -y python3.11 python3.11-venv\n" in result.stderr


@pytest.mark.parametrize("words", [("say", "hello"), ("--version",), ("--help",)])
def test_what_does_not_stay_installs_no_engines(clone: Clone, words: tuple[str, ...]) -> None:
    clone.run(*words)
    assert clone.log == ["venv python3.11", BASE]
