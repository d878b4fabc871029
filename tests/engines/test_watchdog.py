"""Real child processes that hang, and those that only look like it: how long each may be silent."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from tests.engines.helpers import VOICES, Make, OneEngine, speak, started, until
from tests.fakes import frame
from tests.simulated_time import simulate
from wyoming_csm.engines import watchdog
from wyoming_csm.engines.base import Phase
from wyoming_csm.engines.process import ChildProcess
from wyoming_csm.engines.watchdog import Timeouts, Watchdog, running_clock
from wyoming_csm.errors import WorkerDied
from wyoming_csm.worker.protocol import FromChild, Heartbeat, Ready

pytestmark = pytest.mark.slow

# -- hung


async def test_a_child_whose_computation_never_ends_is_replaced(make: Make, tmp_path: Path) -> None:
    """It beats: only the limit that it announced tells."""
    engine = await started(make(fault="hang", once=str(tmp_path / "once"), limit_seconds=1.2))
    with pytest.raises(WorkerDied, match="one computation takes longer than 1 s"):
        await speak(OneEngine(engine, VOICES[0]))
    await until(engine, lambda: engine.status.phase is Phase.READY)
    assert len(await speak(OneEngine(engine, VOICES[0]))) == 5


async def test_a_child_that_is_stopped_is_replaced(make: Make, tmp_path: Path) -> None:
    """Whatever limit it announced: a stopped one does not even beat."""
    engine = await started(
        make(fault="stop", once=str(tmp_path / "once"), limit_seconds=600, silent_seconds=1.5)
    )
    begin = time.perf_counter()
    with pytest.raises(WorkerDied, match="stopped"):
        await speak(OneEngine(engine, VOICES[0]))
    assert time.perf_counter() - begin < 60  # 1.5 by its beats, 600 by its limit
    await until(engine, lambda: engine.status.phase is Phase.READY)
    assert len(await speak(OneEngine(engine, VOICES[0]))) == 5


async def test_an_idle_child_that_is_stopped_is_missed_before_anybody_asks(make: Make) -> None:
    engine = await started(make(silent_seconds=1.5, limit_seconds=1.5, restart_seconds=5))
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGSTOP)
    await until(engine, lambda: engine.status.phase is Phase.STARTING)
    assert "stopped" in engine.status.detail


class Stopped:
    """A child that got ready, beat three times, and is stopped."""

    def __init__(self) -> None:
        self.messages: Iterator[FromChild] = iter(
            [Ready("", 1), Heartbeat(), Heartbeat(), Heartbeat()]
        )
        self.killed = False

    async def receive(self) -> FromChild:
        await asyncio.sleep(0.9)
        for message in self.messages:
            return message
        await asyncio.Event().wait()
        raise AssertionError

    def kill(self) -> None:
        self.killed = True


def test_a_stopped_child_is_noticed_within_16_seconds() -> None:
    """With the patience of every engine, in simulated time; not in less than ten, either."""

    async def seconds() -> float:
        watch = Watchdog(cast(ChildProcess, child := Stopped()), Timeouts())
        clock = asyncio.get_running_loop().time
        for _ in range(4):
            await watch.receive()
        began = clock()
        with pytest.raises(WorkerDied, match="its process is stopped"):
            await watch.receive()
        assert child.killed
        return clock() - began

    assert 10 <= simulate(seconds()) <= 16


@pytest.mark.parametrize("fault", ["silent", "loading"])
async def test_a_child_that_never_gets_ready_is_replaced(make: Make, fault: str) -> None:
    """Beats alone are no progress."""
    engine = make(fault=fault, start_seconds=1.2, restart_seconds=5)
    await engine.start()
    await until(engine, lambda: engine.status.detail.startswith("starting again"))
    assert "hangs while it loads" in engine.status.detail


# -- not hung


async def test_a_long_computation_is_not_ended(make: Make) -> None:
    """As a minute of it, with 15 s of patience for silence."""
    engine = await started(make(frames=1, step_seconds=2.5, silent_seconds=1.5))
    pid = engine.pid
    assert await speak(OneEngine(engine, VOICES[0])) == [frame(0)]
    assert engine.pid == pid


async def test_a_child_that_loads_for_long_without_a_word_is_not_ended(make: Make) -> None:
    """As one that compiles: it beats from a thread of its own."""
    engine = make(fault="loading", silent_seconds=0.5)
    await engine.start()
    await until(engine, lambda: engine.status.detail == "loading for ever")
    await asyncio.sleep(2.2)
    assert engine.status.detail == "loading for ever"


async def test_a_child_is_not_blamed_for_a_time_in_which_the_server_stood_still(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that was frozen, or slept with its machine, while the child was stopped as well."""
    monkeypatch.setattr(watchdog, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(watchdog, "BELIEVED_SECONDS", 0.2)
    engine = await started(make(silent_seconds=1.5, limit_seconds=1.5))
    pid = engine.pid
    assert pid is not None
    await asyncio.sleep(0.2)  # all that it sent by now is read
    os.kill(pid, signal.SIGSTOP)
    time.sleep(2)  # noqa: ASYNC251 (the loop is to stand still)
    os.kill(pid, signal.SIGCONT)
    await asyncio.sleep(0.3)
    assert engine.status.phase is Phase.READY
    assert len(await speak(OneEngine(engine, VOICES[0]))) == 5
    assert engine.pid == pid


def test_of_a_time_without_a_look_only_two_seconds_count() -> None:
    times = iter([100.0, 100.5, 101.5, 101.5, 700.0, 700.5])
    clock = running_clock(lambda: next(times))
    assert [clock() for _ in range(5)] == [0.5, 1.5, 1.5, 3.5, 4.0]
