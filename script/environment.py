"""Guards the environment: one installer at a time, stamps, and no halves left behind."""

import fcntl
import hashlib
import json
import os
import shutil
import signal
import sys
import sysconfig
import threading
from collections.abc import Generator
from contextlib import contextmanager
from importlib.metadata import distributions
from pathlib import Path

from package_calls import InstallError, tell

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = Path(sys.prefix)
LOCK = ROOT / ".venv.lock"  # held by whoever installs into this clone; run.sh's scripts hold it too


class Stamp:
    """What an earlier run installed: when it holds, nothing is to be done."""

    def __init__(self, name: str, build: str, *extras: str) -> None:
        self._file = ENVIRONMENT / name
        told = [build, sys.version, os.environ.get("WYOMING_CSM_TORCH", "")]
        told.append(os.environ.get("WYOMING_CSM_TORCH_INDEX", ""))
        for file in (*(f"{extra}.txt" for extra in extras), f"torch-{build}.txt"):
            path = ROOT / "requirements" / file
            told.append(path.read_text() if path.exists() else "")
        self._text = hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def holds(self) -> bool:
        """Was just this installed?"""
        return self._file.exists() and self._file.read_text() == self._text

    def set(self) -> None:
        """It is now."""
        self._file.write_text(self._text)


@contextmanager
def whole_or_not_at_all() -> Generator[None]:
    """What was unpacked by halves, now or by a run that was killed, is removed."""
    begun, packages = ENVIRONMENT / "begun.json", Path(sysconfig.get_path("purelib"))
    if begun.exists():
        remove_halves(packages, set(json.loads(begun.read_text())))
    begun.write_text(json.dumps(sorted(os.listdir(packages))))
    unpacked = ENVIRONMENT / "unpacking"
    shutil.rmtree(unpacked, ignore_errors=True)
    if "TMPDIR" not in os.environ:
        unpacked.mkdir()
        os.environ["TMPDIR"] = str(unpacked)  # /tmp may be memory
    try:
        yield
    except BaseException:
        remove_halves(packages, set(json.loads(begun.read_text())))
        raise
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
    begun.unlink()


def remove_halves(packages: Path, before: set[str]) -> None:
    """Remove what was not there before and belongs to no package that is there as a whole."""
    owned = {
        file.parts[0] for found in distributions(path=[str(packages)]) for file in found.files or ()
    }
    for name in {*os.listdir(packages)} - before - owned:
        path = packages / name
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


class Hopeless(InstallError):
    """Trying again later would not help."""


@contextmanager
def alone() -> Generator[None]:
    """While nothing else installs into this clone. Raises InstallError."""
    try:
        lock = LOCK.open("a")
    except OSError as error:
        raise Hopeless(f"{ROOT} cannot be written by this user: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell("another start is installing here: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def end_with_the_server() -> None:
    """Standard input is a pipe that the server holds: its end means that the server is gone."""

    def wait() -> None:
        while os.read(0, 1):  # not sys.stdin: its lock would be held when this process ends
            pass
        os.killpg(os.getpid(), signal.SIGKILL)  # pip too: this leads a group of its own

    threading.Thread(target=wait, daemon=True).start()
