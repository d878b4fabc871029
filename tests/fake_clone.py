"""A clone for run.sh with a stand-in for Python: real shell, no network, nothing installed."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
TOOLS = (
    *("bash", "env", "cat", "chmod", "cp", "cut", "dirname", "flock", "id", "kill", "mkdir"),
    *("mkfifo", "pwd", "rm", "sha256sum", "sleep", "timeout"),
)

BASE = "pip install --quiet --no-compile --editable ."

# Stands in for python, in the environment too. What is asked of it is written to $LOG, and what
# it should answer comes from the environment; the rest is done by the real one.
PYTHON = f"""#!/bin/bash
case "$*" in
  "-c import sys; sys.exit(not "*|"-c import ensurepip"*) ;;
  -V) echo "Python ${{VERSION:-3.11.9}}" ;;
  "-m venv"*) echo "venv ${{0##*/}}" >>"$LOG"; mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
  "-m pip "*" list "*) echo "numpy==2.0" ;;
  "-m pip "*--dry-run*) cat "$REPORT" ;;
  "-m pip "*)
    shift 4; echo "pip $*" >>"$LOG"
    echo "  Downloading big-1.0.whl (123.4 MB)"; echo "  Downloading small-1.0.whl (12 kB)"
    case "$*" in *"${{PIP_WAITS:-nothing}}"*) echo "waiting $$" >>"$LOG"; sleep 20 ;; esac
    case "$*" in *".["*) read -r -n 1 <"$READY" ;; esac
    case "$*" in *"${{PIP_FAILS:-nothing}}"*) echo "ERROR: no such thing" >&2; exit 1 ;; esac ;;
  "-m wyoming_csm"*) shift 2; exec {sys.executable} {ROOT}/tests/fake_clone.py "$@" ;;
  "-c import pip") ;;
  *torch.version*) echo "${{TORCH_BUILD:-none}}" ;;
  *is_available*) exit "${{NO_CUDA:-0}}" ;;
  "- http"*) exit "${{NO_INDEX:-1}}" ;;
  *) exec {sys.executable} "$@" ;;
esac
"""


class Clone:
    """run.sh and its scripts in a folder, with a PATH on which only chosen tools are."""

    def __init__(self, folder: Path, pythons: tuple[str, ...] = ("python3.11",)) -> None:
        self.root = folder / "a clone"
        self.path = folder / "bin"
        self.log_file = folder / "log"
        self.env = {
            "PATH": str(self.path),
            "LOG": str(self.log_file),
            "REPORT": str(folder / "report.json"),
            "READY": str(folder / "ready"),  # extras are installed when the server listens
        }
        (self.root / "script").mkdir(parents=True)
        self.path.mkdir()
        self.log_file.touch()
        os.mkfifo(folder / "ready")
        for name in ("run.sh", "pyproject.toml", "script/common.sh", "script/install-engines"):
            shutil.copy(ROOT / name, self.root / name)
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found, tool
            (self.path / tool).symlink_to(found)
        for name in pythons:
            self.add(name, PYTHON)
        self.report()

    def add(self, name: str, script: str) -> None:
        """A command on the PATH."""
        (self.path / name).write_text(script)
        (self.path / name).chmod(0o755)

    def report(self, *names: str) -> None:
        """What a dry run of pip says that it would install."""
        items = ",".join(f'{{"metadata": {{"name": "{name}"}}}}' for name in ("torch", *names))
        Path(self.env["REPORT"]).write_text(f'{{"install": [{items}]}}')

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
            timeout=30,
        )

    def start(self, *words: str, **env: str) -> subprocess.Popen[str]:
        """./run.sh with these words; standard error goes to standard output."""
        return subprocess.Popen(
            [self.root / "run.sh", *words],
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def read_until(process: subprocess.Popen[str], *words: str) -> str:
    """What it says until all these words were said."""
    said = ""
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        if all(word in said for word in words):
            return said
    raise AssertionError(f"{words!r} was not said, but:\n{said}")


def serve(words: list[str]) -> None:
    """Stands in for the command: says its words; with `wait` among them ends at a signal."""
    awaited = (signal.SIGHUP, signal.SIGTERM)
    for number in awaited:
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    print("serving", os.getpid(), os.getcwd(), *words, flush=True)
    if "wait" in words:
        os.write(os.open(os.environ["READY"], os.O_RDWR), b"x")
        print("got", signal.Signals(signal.sigwait(awaited)).name, flush=True)


if __name__ == "__main__":
    serve(sys.argv[1:])
