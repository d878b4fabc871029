"""A disk that does not answer: whoever looks there is told so soon, and nothing else waits."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import wait
from functools import partial
from pathlib import Path

import pytest

from tests.server.clients import logged
from wyoming_csm.silent_disk import MOST, Disk

ROOT = Path(__file__).parents[1]
# A process in which a look hangs, of a reply and of the folder of voices, and which is to end.
HUNG = """
import asyncio, sys
from functools import partial
from pathlib import Path
from wyoming_csm.engines.looks import Looks
pipe = Path(sys.argv[1])
async def scene():
    try:
        await Looks(0.1).ask(pipe.parent, pipe.read_bytes)
    except TimeoutError as error:
        print(error, flush=True)
asyncio.run(scene())
"""


@pytest.fixture
def back() -> Iterator[threading.Event]:
    """Set when what hangs is to answer."""
    event = threading.Event()
    yield event
    event.set()


def test_while_a_look_hangs_nobody_else_looks_and_afterwards_all_do(
    back: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Disk("/shared/voices", seconds=0.02)
    hung = disk.submit(back.wait, 60.0)
    assert not wait([hung], timeout=0.05).done
    looks: list[str] = []
    for word in ("one", "two", "three"):
        with pytest.raises(TimeoutError, match="the disk of /shared/voices does not answer"):
            disk.submit(looks.append, word)
    assert looks == []
    (line,) = logged(caplog)
    assert line.getMessage().startswith("The disk of /shared/voices does not answer: ")
    back.set()
    assert hung.result(60.0)
    assert disk.submit(looks.append, "four").result(60.0) is None
    assert looks == ["four"]


def test_a_look_is_waited_for_only_so_long(back: threading.Event) -> None:
    disk = Disk("/shared/voices", seconds=0.02)
    with pytest.raises(TimeoutError):
        disk.ask(partial(back.wait, 60.0))


def test_only_so_many_threads_look_at_once_and_the_others_do_later(back: threading.Event) -> None:
    disk, begun = Disk("/shared/voices", seconds=60.0), threading.Semaphore(0)

    def look(number: int) -> int:
        begun.release()
        assert back.wait(60.0)
        return number

    looks = [disk.submit(look, number) for number in range(3 * MOST)]
    for _ in range(MOST):
        assert begun.acquire(timeout=60.0)
    assert not begun.acquire(timeout=0.05)
    assert looks[-1].cancel(), "who waits for it no more"
    back.set()
    assert [one.result(60.0) for one in looks[:-1]] == list(range(3 * MOST - 1))
    assert disk.submit(int).result(60.0) == 0


def test_where_the_system_gives_no_thread_a_look_fails_and_the_next_may_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = Disk("/shared/voices", seconds=60.0)

    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        for _ in range(2 * MOST):
            with pytest.raises(OSError, match="can't start new thread"):
                disk.ask(int)
    assert disk.ask(int) == 0


def test_what_a_look_raises_is_raised() -> None:
    disk = Disk("/shared/voices", seconds=60.0)
    for error in (FileNotFoundError("gone"), ValueError("damaged")):
        with pytest.raises(type(error), match=str(error)):
            disk.ask(partial(raising, error))


def raising(error: Exception) -> None:
    raise error


def test_a_look_that_hangs_does_not_keep_a_process_from_ending(tmp_path: Path) -> None:
    """A pipe that nobody writes hangs whoever opens it, as a disk does."""
    os.mkfifo(tmp_path / "0.json")
    command = (sys.executable, "-c", HUNG, str(tmp_path / "0.json"))
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (0, f"the disk of {tmp_path} does not answer\n")
