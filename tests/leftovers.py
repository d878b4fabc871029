"""Which processes that a run of the tests started are still there (Linux)."""

import os
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_MARK = "WYOMING_CSM_TEST_RUN"  # inherited by all that a test starts, whoever adopts it later
_TEST = "PYTEST_CURRENT_TEST"  # pytest's: which test is running
GRACE_SECONDS = 5.0  # for those that are going
# Helpers that libraries run until this process ends, and end with it.
_HELPERS = ("multiprocessing.resource_tracker", "torch/_inductor/compile_worker")


@dataclass(frozen=True)
class Leftover:
    """A process, and the test that was running when it was started."""

    pid: int
    command: str
    test: str

    def __str__(self) -> str:
        return f"{self.test or 'an unknown test'} left process {self.pid} behind: {self.command}"


def nothing_left(grace: float = GRACE_SECONDS) -> Iterator[None]:
    """A fixture's body. At its end all that was started meanwhile must be gone within `grace`
    seconds; what is not is ended, and an AssertionError names it."""
    word = os.environ[_MARK] = secrets.token_hex(8)
    yield
    until = time.monotonic() + grace
    while (found := list(_marked(word))) and time.monotonic() < until:
        time.sleep(0.05)
    for one in found:
        with suppress(ProcessLookupError):
            os.kill(one.pid, signal.SIGKILL)
    assert not found, "\n".join(map(str, found))


def _marked(word: str) -> Iterator[Leftover]:
    """Not those that ended and were not waited for: they have no environment any more."""
    for folder in _PROC.glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile, or is another user's
            pairs = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
            environment = dict(pair.partition("=")[::2] for pair in pairs)
            command = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            line = " ".join(command).strip()
            if environment.get(_MARK) == word and not any(name in line for name in _HELPERS):
                yield Leftover(int(folder.name), line[:200], environment.get(_TEST, ""))
