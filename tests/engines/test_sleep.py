"""Real child processes without requests: ended, stood in for by a fresh one, woken."""

import asyncio
import logging
import os
import shlex
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.fixtures.fake_child import COMMAND
from tests.engines.helpers import VOICES, Make, OneEngine, speak, started, until
from tests.engines.test_supervisor import is_alive
from tests.fakes import frame
from tests.server.clients import eventually, warnings
from wyoming_csm.engines.base import Phase, Status
from wyoming_csm.engines.child_engine import ChildEngine
from wyoming_csm.engines.process import ChildProcess
from wyoming_csm.errors import EngineError
from wyoming_csm.worker.protocol import Configure, Prepare, ToChild

pytestmark = pytest.mark.slow

ASLEEP = Status(Phase.ASLEEP, "unloaded until the next request")
IDLE = 0.3  # seconds; it is noticed at the child's next beat

Told = list[tuple[ChildProcess, list[ToChild]]]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """Every child that is started, with all it is told."""
    children: Told = []
    spawn = ChildProcess.spawn

    async def spawn_and_tell(command: Sequence[str]) -> ChildProcess:
        child = await spawn(command)
        received: list[ToChild] = []
        send = child.send

        def tell(message: ToChild) -> None:
            received.append(message)
            send(message)

        monkeypatch.setattr(child, "send", tell)
        children.append((child, received))
        return child

    monkeypatch.setattr(ChildProcess, "spawn", spawn_and_tell)
    return children


async def asleep(engine: ChildEngine) -> None:
    await until(engine, lambda: engine.status == ASLEEP)


async def stood_by(told: Told, count: int) -> ChildProcess:
    """The last of so many children, once it was told to prepare."""
    await eventually(lambda: len(told) == count and bool(told[-1][1]))
    assert told[-1][1] == [Prepare("fake")]
    return told[-1][0]


async def test_it_sleeps_and_is_woken_by_a_fresh_child_that_stood_by(
    make: Make, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    engine = await started(make(idle_seconds=IDLE))
    pid = engine.pid
    assert pid is not None
    await asleep(engine)
    async with asyncio.timeout(20):
        await engine.wait_loaded()
    assert engine.pid is None
    standby = await stood_by(told, 2)
    assert not is_alive(pid), "its memory is not given back before its end"
    engine.wake()
    engine.wake()
    assert engine.status.phase is Phase.WAKING
    assert (await started(engine)).status == Status(Phase.READY, "fake child")
    assert engine.pid == standby.pid
    assert [type(message) for message in told[1][1]] == [Prepare, Configure]
    assert await speak(OneEngine(engine, VOICES[0])) == [frame(number) for number in range(5)]
    lines = [r.getMessage() for r in caplog.records if r.name.startswith("wyoming_csm")]
    assert lines[2:4] == [
        "fake is unloaded, no request came for a while; the next one loads it again",
        "fake is loading again: a request came",
    ]
    assert not warnings(caplog)


async def test_progress_while_it_wakes_is_no_first_start(make: Make) -> None:
    engine = await started(make(idle_seconds=IDLE))
    phases: list[Phase] = []
    await asleep(engine)
    engine.subscribe(lambda: phases.append(engine.status.phase))
    engine.wake()
    await started(engine)
    assert phases == [Phase.WAKING, Phase.WAKING, Phase.READY]


async def test_woken_in_the_moment_it_falls_asleep(make: Make, told: Told) -> None:
    """The old child is not gone yet, the next one not there."""
    engine = await started(make(idle_seconds=IDLE))
    woken: list[bool] = []

    def wake() -> None:
        if engine.status.phase is Phase.ASLEEP:
            woken.append(True)
            engine.wake()

    engine.subscribe(wake)
    await until(engine, lambda: bool(woken) and engine.status.phase is Phase.READY)
    assert [type(message) for message in told[1][1]] == [Configure]


async def test_with_an_open_reply_it_does_not_sleep(make: Make) -> None:
    idle = 1.2
    engine = await started(make(idle_seconds=idle, frames=30, step_seconds=0.05))
    reply = OneEngine(engine, VOICES[0])
    assert len(await speak(reply)) == 30  # 1.5 s
    await asyncio.sleep(1.3)  # more than a beat: its text takes its time
    assert engine.status.phase is Phase.READY
    begin = asyncio.get_running_loop().time()
    await reply.aclose()
    assert engine.load.share == 0
    await asleep(engine)
    assert idle <= asyncio.get_running_loop().time() - begin < 5


async def test_it_never_sleeps_unless_told_to(make: Make) -> None:
    engine = await started(make())
    await asyncio.sleep(1.3)
    assert engine.status.phase is Phase.READY


async def test_asleep_it_refuses_and_sighup_leaves_it_so(make: Make, told: Told) -> None:
    engine = await started(make(idle_seconds=IDLE))
    await asleep(engine)
    await engine.start()
    standby = await stood_by(told, 2)
    await engine.start()
    assert engine.status == ASLEEP
    assert is_alive(standby.pid)
    assert len(told) == 2
    with pytest.raises(EngineError, match="not ready"):
        await speak(OneEngine(engine, VOICES[0]))


async def test_stop_ends_who_stands_by(make: Make, told: Told) -> None:
    engine = await started(make(idle_seconds=IDLE))
    await asleep(engine)
    standby = await stood_by(told, 2)
    async with asyncio.timeout(20):
        await engine.stop()
    assert not is_alive(standby.pid)
    assert engine.status == Status(Phase.ABSENT, "stopped")
    engine.wake()
    assert engine.status.phase is Phase.ABSENT
    assert (await started(engine)).status.phase is Phase.READY


async def test_stopped_in_the_moment_it_falls_asleep(make: Make, told: Told) -> None:
    """The old child is not gone yet, and does not go by itself."""
    engine = await started(make(idle_seconds=IDLE, fault="stubborn"))
    await asleep(engine)
    async with asyncio.timeout(20):
        await engine.stop()
    assert not is_alive(told[0][0].pid)
    assert len(told) == 1


@pytest.mark.parametrize("noticed", [True, False])
async def test_a_standby_that_died_is_started_again_at_the_wake(
    make: Make, told: Told, noticed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    engine = await started(make(idle_seconds=IDLE, restart_seconds=0.2))
    await asleep(engine)
    engine.wake()
    await started(engine)
    await asleep(engine)
    standby = await stood_by(told, 3)
    os.kill(standby.pid, signal.SIGKILL)
    if noticed:
        await asyncio.sleep(0.3)
        assert engine.status == ASLEEP
        assert len(told) == 3, "no restart loop"
    else:
        await eventually(lambda: not is_alive(standby.pid))
    engine.wake()
    assert (await started(engine)).status.phase is Phase.READY
    assert len(told) == 4
    assert not (noticed and warnings(caplog)), "woken before that is noticed, its death may count"


async def test_a_standby_that_cannot_be_started_is_not_missed(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    program = tmp_path / "child"
    program.write_text(f"#!/bin/sh\nexec {shlex.join(COMMAND)}\n")
    program.chmod(0o700)
    engine = await started(make(idle_seconds=IDLE, command=(str(program),)))
    program.unlink()
    await asleep(engine)
    await asyncio.sleep(0.5)
    assert engine.status == ASLEEP
    assert not warnings(caplog)
    engine.wake()
    await until(engine, lambda: engine.status.phase is Phase.RESTING)


async def test_a_wake_that_fails_is_a_start_that_fails(make: Make, told: Told) -> None:
    """Then it is no longer healthy, and is tried again like any other."""
    engine = await started(make(idle_seconds=IDLE))
    await asleep(engine)
    standby = await stood_by(told, 2)
    phases: list[Phase] = []
    engine.subscribe(lambda: phases.append(engine.status.phase))
    engine.wake()
    os.kill(standby.pid, signal.SIGKILL)
    await until(engine, lambda: Phase.STARTING in phases)
    await until(engine, lambda: engine.status.phase is Phase.READY)
