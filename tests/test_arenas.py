"""Threads share what glibc has of memory: each would hold on to a heap of its own."""

import asyncio
import platform
import subprocess
import sys

import pytest

from tests.engines.helpers import speak
from tests.fakes import FakeEngine
from tests.server.clients import eventually
from wyoming_csm import serve
from wyoming_csm.engines.fallback import Fallback

_COUNTED = """
import ctypes, sys, threading
from wyoming_csm import arenas
getattr(arenas, sys.argv[1])()
meet = threading.Barrier(7)
def hold():
    some = bytearray(5_000)
    meet.wait()
threads = [threading.Thread(target=hold) for _ in range(6)]
for thread in threads: thread.start()
meet.wait()
for thread in threads: thread.join()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(libc.fopen(b"/dev/stdout", b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""


_TRIMMED = """
import resource
from pathlib import Path
from wyoming_csm.arenas import trim_arenas
def resident():  # bytes
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
many = [bytearray(50_000) for _ in range(400)]  # on the heap: each less than mmap's threshold
many[:-1] = []  # the last one holds its end
before = resident()
trim_arenas()
print(before - resident())
"""
_GLIBC = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's arenas")


@_GLIBC
@pytest.mark.parametrize(("which", "most"), [("share_arenas", 2), ("use_one_arena", 1)])
def test_threads_share_two_arenas_in_the_front_and_one_in_a_child(which: str, most: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _COUNTED, which], capture_output=True, text=True, check=True
    )
    assert 1 <= done.stdout.count("<heap nr=") <= most


@_GLIBC
def test_what_is_free_between_what_is_used_is_given_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _TRIMMED], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) > 15_000_000  # of 19 950 000


async def test_the_front_gives_memory_back_once_nobody_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: asyncio.Queue[int] = asyncio.Queue()  # how many sentences were spoken by then
    engine = FakeEngine()
    house = Fallback([engine])
    monkeypatch.setattr(serve, "trim_arenas", lambda: given.put_nowait(len(engine.finished)))
    giving = asyncio.create_task(serve.give_memory_back(house, 0.01))
    await asyncio.sleep(0.05)
    assert given.empty(), "nobody was answered yet"
    for spoken in (1, 2):
        engine.hold.clear()
        reply = house.start_reply(engine.voices[0])
        speaking = asyncio.create_task(speak(reply))
        await eventually(lambda: engine.speaking == 1)
        await asyncio.sleep(0.05)
        assert given.empty(), "somebody is answered"
        engine.hold.set()
        await speaking
        await asyncio.sleep(0.05)
        assert given.empty(), "the answer goes on"
        await reply.aclose()
        assert await asyncio.wait_for(given.get(), 60) == spoken
    await asyncio.sleep(0.05)
    assert given.empty(), "once"
    giving.cancel()
