"""A clone for run.sh with a stand-in for Python: real shell, no network, nothing installed."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
TOOLS = (
    *("bash", "env", "cat", "chmod", "cp", "dirname", "flock", "id", "mkdir", "pwd", "rm"),
    *("sha256sum", "uname"),
)

BASE = "install base"

# Stands in for python, in the environment too. What is asked of it is written to $LOG, and what
# it should answer comes from the environment; the rest is done by the real one.
PYTHON = f"""#!/bin/bash
case "$*" in
  "-c import sys; sys.exit(not "*|"-c import ensurepip"*) ;;
  -V) echo "Python ${{VERSION:-3.11.9}}" ;;
  "-m venv"*) echo "venv ${{0##*/}}" >>"$LOG"; mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
  "script/install.py "*)
    shift; echo "install $*" >>"$LOG"
    [ -z "${{INSTALL_WAITS:-}}" ] || {{ echo "[$TELLER] at work" >&2; read -r; }}
    [ -z "${{INSTALL_FAILS:-}}" ] && exit
    echo "[$TELLER] not installed: no network" >&2; exit "$INSTALL_FAILS" ;;
  "-c import wyoming_csm"*)
    [ ! -e "${{0%/bin/python}}/hole" ] && exit "${{NOT_WHOLE:-0}}"; exit 1 ;;
  "-m wyoming_csm"*) shift 2; echo "serving $$ $PWD $*" ;;
  "-c import pip") ;;
  *) exec {sys.executable} "$@" ;;
esac
"""


def read_until(process: subprocess.Popen[str], words: str) -> None:
    """Read the lines of `process` up to the first one with `words`; fails where it ends before."""
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return
    raise AssertionError(f"it did not say: {words}")


class Clone:
    """run.sh and its scripts in a folder, with a PATH on which only chosen tools are."""

    def __init__(self, folder: Path, pythons: tuple[str, ...] = ("python3.11",)) -> None:
        self.root = folder / "a clone"
        self.path = folder / "bin"
        self.log_file = folder / "log"
        self.env = {
            "PATH": str(self.path),
            "LOG": str(self.log_file),
        }
        requirements = ("requirements/base.txt", "requirements/hibari.txt")
        for name in ("run.sh", "pyproject.toml", "script/common.sh", *requirements):
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.root / name)
        self.path.mkdir()
        self.log_file.touch()
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found, tool
            (self.path / tool).symlink_to(found)
        for name in pythons:
            self.add(name, PYTHON)

    def add(self, name: str, script: str) -> None:
        """A command on the PATH."""
        (self.path / name).write_text(script)
        (self.path / name).chmod(0o755)

    @property
    def log(self) -> list[str]:
        """What was asked of Python so far."""
        return self.log_file.read_text().splitlines()

    def run(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """./run.sh with these words, to its end."""
        return subprocess.run(
            [self.root / "run.sh", *words],
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd="/",
            timeout=120,
        )

    def start(self, *words: str, start_new_session: str = "", **env: str) -> subprocess.Popen[str]:
        """./run.sh with these words; standard error goes to standard output.

        With INSTALL_WAITS its installer says "at work" and goes on when its input ends.
        """
        return subprocess.Popen(
            [self.root / "run.sh", *words],
            env=self.env | env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=bool(start_new_session),
            # a shell's background job ignores it, and so would all that is started from there
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
