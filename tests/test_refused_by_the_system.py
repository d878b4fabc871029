"""The whole program where the system itself refuses: a descriptor more, or bytes more of a file.

The fault switch (tests/faults) lets what opens a file or accepts fail; here anything that takes a
descriptor does, and a file's write fails in the middle, as on a disk that is full by then.
"""

import asyncio
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from wyoming.client import AsyncUnixClient

from benchmarks.soak.watching import children
from tests.faults.drill import Answer
from tests.program import Program, answer_of, asked, is_spoken, program, sent_clip, wish

pytestmark = pytest.mark.slow(3)
NONE_FREE = 3  # descriptors: standard input, output and error are there
A_FEW = 10  # bytes, of which no file has more
TEXT = "The light is on. The door is open. The window is closed. It is warm in the kitchen."


@contextmanager
def limited(served: Program, what: int, most: int) -> Iterator[None]:
    """Let the server and its processes have no more of it for a while."""
    pids = (served.process.pid, *children(served.process.pid))
    before = {pid: resource.prlimit(pid, what) for pid in pids}
    for pid, (_, hard) in before.items():
        resource.prlimit(pid, what, (most, hard))
    try:
        yield
    finally:
        for pid, limits in before.items():
            resource.prlimit(pid, what, limits)


async def test_without_descriptors_all_who_are_inside_are_spoken_to(tmp_path: Path) -> None:
    async with program(tmp_path) as served, AsyncUnixClient(str(served.unix)) as inside:
        await inside.write_event(wish(text=TEXT))
        usual = await answer_of(inside)
        assert is_spoken(usual)
        await inside.write_event(wish(text=TEXT))
        begun = await inside.read_event()
        assert begun is not None
        with limited(served, resource.RLIMIT_NOFILE, NONE_FREE):
            whole = Answer([begun, *(await answer_of(inside)).events])
            assert is_spoken(whole)
            assert len(whole.sound) == len(usual.sound), "all of it"
            newcomer = asyncio.create_task(asked(served.unix))
            await served.until("No connection can be accepted: Too many open files")
            await inside.write_event(wish())
            assert is_spoken(await answer_of(inside))
            assert not newcomer.done()
        assert is_spoken(await newcomer)
        async with served.browsing() as client, client.get("health") as answer:
            assert answer.status == 200
        assert await served.ended() == 0
        assert "Traceback" not in served.log


async def test_files_that_cannot_be_written_to_their_end_silence_nobody(tmp_path: Path) -> None:
    """Nor is half of one left."""
    async with program(tmp_path) as served, served.browsing() as client:
        with limited(served, resource.RLIMIT_FSIZE, A_FEW):
            assert is_spoken(await asked(served.unix))  # of whose loudness nothing is known
            await served.until("loudness.json cannot be written")
            status, told = await sent_clip(client)
            assert (status, "File too large" in told) == (500, True), told
            assert is_spoken(await asked(served.unix))
        assert not list(served.voices.iterdir())
        assert not list((tmp_path / "data").rglob("*part*"))
        assert (await sent_clip(client))[0] == 201
        assert is_spoken(await asked(served.unix, "system_de-DE"))
        assert await served.ended() == 0
        assert "Traceback" not in served.log
