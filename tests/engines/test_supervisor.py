"""Real child processes that die, babble and refuse to go: replaced and ended."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import aclosing
from pathlib import Path

import pytest

from benchmarks.fixtures.fake_child import ROOT
from tests.engines.helpers import VOICES, Make, OneEngine, speak, started, until
from tests.fakes import frame
from wyoming_csm.engines.base import Phase
from wyoming_csm.errors import WorkerDied
from wyoming_csm.text.pieces import Speak

pytestmark = pytest.mark.slow

# -- death


async def test_death_before_the_first_sound(make: Make, tmp_path: Path) -> None:
    engine = await started(make(fault="die", once=str(tmp_path / "once")))
    pid = engine.pid
    reply = OneEngine(engine, VOICES[0])
    with pytest.raises(WorkerDied):
        await speak(reply)
    assert engine.status.phase is Phase.STARTING
    await until(engine, lambda: engine.status.phase is Phase.READY)
    assert engine.pid != pid
    assert len(await speak(reply)) == 5


async def test_death_inside_a_sentence(make: Make) -> None:
    engine = await started(make(fault="die", fault_at=2, restart_seconds=5))
    received: list[bytes] = []
    with pytest.raises(WorkerDied, match="ended"):
        await speak(OneEngine(engine, VOICES[0]), into=received)
    assert received == [frame(0), frame(1)]
    await until(engine, lambda: "exit code 3" in engine.status.detail)


@pytest.mark.parametrize("fault", ["garbage", "huge"])
async def test_what_is_no_message_ends_the_child(make: Make, fault: str, tmp_path: Path) -> None:
    engine = await started(make(fault=fault, once=str(tmp_path / "once")))
    with pytest.raises(WorkerDied, match="no message"):
        await speak(OneEngine(engine, VOICES[0]))
    await until(engine, lambda: engine.status.phase is Phase.READY)
    assert len(await speak(OneEngine(engine, VOICES[0]))) == 5


async def test_a_command_that_does_not_exist(make: Make) -> None:
    engine = await started(make(command=("/does/not/exist",)))
    assert engine.status.phase is Phase.RESTING
    assert "cannot be started" in engine.status.detail


async def test_a_child_that_reads_nothing_blocks_nobody(make: Make) -> None:
    engine = await started(make(restart_seconds=5))
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGSTOP)
    text = "x" * 100_000

    async def ask() -> None:
        with pytest.raises(WorkerDied):
            await speak(OneEngine(engine, VOICES[0]), text)

    asked = time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(20)))
    assert time.perf_counter() - asked < 5


# -- the end


def is_alive(pid: int) -> bool:
    """A child of this process that was not waited for counts as alive."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_stop_ends_the_child_and_what_is_in_flight(make: Make) -> None:
    engine = await started(make(frames=10_000, step_seconds=0.01))
    pid = engine.pid
    assert pid is not None
    assert os.getpgid(pid) == pid  # a terminal's Ctrl-C is for the server alone
    async with aclosing(OneEngine(engine, VOICES[0]).speak(Speak("Long."))) as sound:
        await anext(sound)
        await asyncio.gather(engine.stop(), engine.stop())
        with pytest.raises(WorkerDied, match="stopped"):
            async for _ in sound:
                pass
    assert not is_alive(pid)
    assert engine.status.phase is Phase.ABSENT


async def test_stop_ends_a_child_that_does_not_want_to_go(make: Make) -> None:
    engine = await started(make(fault="stubborn"))
    pid = engine.pid
    assert pid is not None
    first = asyncio.create_task(engine.stop())
    await asyncio.sleep(0.1)
    await engine.stop()  # does not disturb the first, which insists
    await first
    assert not is_alive(pid)


async def test_stop_while_loading(make: Make) -> None:
    engine = make(fault="loading")
    await engine.start()
    await until(engine, lambda: engine.status.detail == "loading for ever")
    await engine.stop()
    assert engine.status.phase is Phase.ABSENT


SERVER = """
import asyncio, sys
from wyoming_csm.engines.watchdog import Timeouts
from wyoming_csm.engines.child_engine import ChildEngine
from wyoming_csm.worker.protocol import Configure
from benchmarks.fixtures.fake_child import COMMAND

async def serve():
    settings = {"fault": "grandchild"}
    engine = ChildEngine(Configure("fake", settings, "", ""), voices=lambda: (),
                          probe=lambda: None, patience=Timeouts(), command=COMMAND)
    await engine.start()
    await engine.wait_loaded()
    print(engine.pid, flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await engine.stop()

asyncio.run(serve())
"""


@pytest.mark.parametrize("end", ["stop", "kill the server", "kill the child"])
def test_no_process_is_left_behind(end: str) -> None:
    """All of them hold the server's standard error: it ends with the last of them."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    ) as server:
        assert server.stdout is not None
        child = int(server.stdout.readline())
        if end == "kill the child":
            os.kill(child, signal.SIGKILL)
        if end == "kill the server":
            server.kill()
        _, errors = server.communicate(None if end == "kill the server" else "\n", timeout=20)
        assert "Traceback" not in errors
