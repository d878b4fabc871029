"""Engines that failed too often: they hold off, rest for minutes, and never leave a house mute."""

import asyncio
import logging
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.engines.helpers import VOICES, Make, OneEngine, speak, started, until
from tests.fakes import FakeEngine, frame
from tests.server.clients import warnings
from wyoming_csm.engines.base import HEALTHY, Phase
from wyoming_csm.engines.child_engine import ChildEngine
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.engines.watchdog import HoldOff, Timeouts
from wyoming_csm.errors import EngineError, EngineUnavailable, WorkerDied

pytestmark = pytest.mark.slow

DYING = (sys.executable, "-S", "-c", "raise SystemExit(4)")


def away() -> None:
    raise EngineUnavailable("no network", "plug it in", passing=True)


async def kill_five_times(engine: ChildEngine) -> None:
    for _ in range(5):
        await until(engine, lambda: engine.status.phase is Phase.READY)
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGKILL)
        await until(engine, lambda: engine.status.phase is not Phase.READY)
    await until(engine, lambda: engine.status.phase is not Phase.STARTING)


async def test_it_rests_after_five_deaths(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    engine = await started(make(command=DYING))
    assert engine.status.phase is Phase.RESTING
    assert "failed 5 times one after another, tried again later" in engine.status.detail
    assert "exit code 4" in engine.status.detail
    assert len(warnings(caplog)) == 5
    assert "fake failed too often, tried again in 1000 s" in warnings(caplog)[-1]
    assert "SIGHUP" in warnings(caplog)[-1]
    with pytest.raises(EngineError, match="5 times"):
        await speak(OneEngine(engine, VOICES[0]))
    caplog.clear()
    assert (await started(engine)).status.phase is Phase.RESTING  # tried anew, five times
    assert len(warnings(caplog)) == 5


async def test_it_is_tried_again_after_each_rest(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, and without a warning for the same reason again."""
    caplog.set_level(logging.DEBUG)
    engine = await started(make(command=DYING, rest_seconds=(0.1, 0.3, 1_000)))
    begin = time.perf_counter()
    await until(engine, lambda: "failed 7 times" in engine.status.detail)
    assert time.perf_counter() - begin > 0.4
    assert engine.status.phase is Phase.RESTING
    assert len(warnings(caplog)) == 5


@pytest.mark.parametrize("error", [OSError(24, "too many open files"), RuntimeError("no thread")])
async def test_a_system_that_fails_while_it_is_looked_for_takes_it_away_only_for_a_while(
    make: Make, error: Exception
) -> None:
    errors = [error]

    def probe() -> None:
        if errors:
            raise errors.pop()

    engine = await started(make(probe=probe, retry_seconds=0.01))
    await until(engine, lambda: engine.status.phase is Phase.READY)
    assert len(await speak(OneEngine(engine, VOICES[0]))) == 5


async def test_it_is_stopped_also_in_the_moment_when_its_wait_is_over(make: Make) -> None:
    engine = make(command=DYING, restart_seconds=0.2)
    starting = asyncio.create_task(engine.start())
    await until(engine, lambda: "starting again" in engine.status.detail)
    time.sleep(0.5)  # noqa: ASYNC251 -- the wait's timer and the stop are due in one turn of the loop
    for _ in range(2):
        await asyncio.sleep(0)
    async with asyncio.timeout(20):
        await engine.stop()
        await starting
    assert engine.status.phase is Phase.ABSENT


async def test_rests_grow_until_something_is_spoken() -> None:
    off = HoldOff(Timeouts())

    def five() -> list[float]:
        return [round(off.left, 1) for _ in range(4) if off.died()]

    assert five() == [0.5, 1, 2, 4]
    for minutes in (2, 5, 15, 15):
        assert not off.died()
        off.rest("a reason")
        assert off.left == pytest.approx(60 * minutes, abs=1)
    off.forget()
    assert five() == [0.5, 1, 2, 4]
    off.shorten(1)
    assert off.left <= 1
    off.shorten(100)
    assert off.left <= 1, "never longer"


async def test_retries_grow_until_it_loads_or_somebody_believes_that_it_can() -> None:
    off = HoldOff(Timeouts())

    def six() -> list[int]:
        waits = []
        for _ in range(6):
            off.away()
            waits.append(round(off.left))
        return waits

    growing = [60, 120, 240, 480, 900, 900]
    assert six() == growing
    off.loaded()
    assert six() == growing
    off.forget()
    assert six() == growing


async def test_one_that_loaded_is_soon_tried_again(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Away twice, there, killed, away: as the first time, not four times as long."""
    looks = iter([away, away])
    (once := tmp_path / "once").touch()
    engine = make(
        probe=lambda: next(looks, lambda: None)(),
        retry_seconds=0.2,
        fault="unavailable",
        once=str(once),
    )
    await engine.start()
    await until(engine, lambda: engine.status.phase is Phase.READY)
    once.unlink()
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    await until(engine, lambda: engine.status.phase is Phase.ABSENT)
    assert warnings(caplog)[-1].endswith("it is tried again in 0 s"), "0.2, not 0.8"


async def test_it_holds_off_longer_before_each_new_life(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    begin = time.perf_counter()
    dying = (sys.executable, "-S", "-c", "raise SystemExit(4)")
    await started(make(command=dying, restart_seconds=0.1))
    assert time.perf_counter() - begin > 0.1 + 0.2 + 0.4 + 0.8
    lines = [r.getMessage() for r in caplog.records if "starts again in" in r.getMessage()]
    assert [line.split()[-2] for line in lines] == ["0.1", "0.2", "0.4", "0.8"]


async def test_deaths_between_spoken_sentences_are_not_in_a_row(make: Make) -> None:
    engine = await started(make(fault="die", only_in="die", frames=1))
    for _ in range(6):
        assert await speak(OneEngine(engine, VOICES[0]), "live") == [frame(0)]
        with pytest.raises(WorkerDied):
            await speak(OneEngine(engine, VOICES[0]), "die")
        await until(engine, lambda: engine.status.phase is not Phase.STARTING)
    assert engine.status.phase is Phase.READY


# -- the house


async def test_who_rests_is_hurried_only_while_nobody_can_speak(
    fallback: Fallback, csm: FakeEngine, coqui: FakeEngine, system: FakeEngine
) -> None:
    csm.become(Phase.RESTING)
    coqui.become(Phase.STARTING)
    assert csm.hurried == 0
    system.become(Phase.STARTING)
    assert csm.hurried == 1
    system.become(Phase.ASLEEP)
    coqui.become(Phase.RESTING)
    assert csm.hurried == 1, "one that sleeps can speak when it is asked"


@pytest.mark.parametrize("count", [1, 3])
async def test_a_house_whose_engines_were_all_killed_five_times_speaks_again(
    make: Make, count: int
) -> None:
    engines = [make(title=f"engine {number}", mute_seconds=0.5) for number in range(count)]
    fallback = Fallback(engines)
    await fallback.start()
    await asyncio.gather(*map(kill_five_times, engines))
    killed = time.perf_counter()
    await fallback.wait_loaded()
    await until(engines[0], lambda: engines[0].status.phase is Phase.READY)
    assert len(await speak(fallback.start_reply(VOICES[0]))) == 5
    assert time.perf_counter() - killed < 60  # the rest would be of 1000


async def test_a_rest_is_cut_short_when_the_last_other_engine_is_gone(
    make: Make, system: FakeEngine
) -> None:
    engine = await started(make(command=DYING, mute_seconds=0.1))
    fallback = Fallback([engine, system])
    await asyncio.sleep(0.3)
    assert "failed 5 times" in engine.status.detail
    system.become(Phase.STARTING, "its process ended")
    await until(engine, lambda: "failed 6 times" in engine.status.detail)
    assert fallback.status.phase not in HEALTHY


def longest_wait(caplog: pytest.LogCaptureFixture) -> float:
    """As it was announced, in seconds."""
    found = [re.search(r"tried again in (\d+) s", line) for line in warnings(caplog)]
    return max(float(one[1]) for one in found if one)


@pytest.mark.parametrize("way", ["rests", "is away"])
async def test_in_a_house_that_is_mute_nobody_waits_longer_than_30_seconds(
    make: Make, system: FakeEngine, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    """With the patience of every engine."""
    usual = Timeouts()
    engine = make(
        command=DYING,
        probe=away if way == "is away" else lambda: None,
        rest_seconds=usual.rests,
        mute_seconds=usual.mute,
        retry_seconds=usual.retry,
        mute_retry_seconds=usual.mute_retry,
    )
    system.become(Phase.ABSENT)
    fallback = Fallback([engine, system])
    await fallback.start()
    async with asyncio.timeout(20):
        await engine.wait_loaded()
    assert 10 <= longest_wait(caplog) <= (20 if way == "rests" else 30)
    caplog.clear()
    system.become(Phase.READY)
    await started(engine)
    assert longest_wait(caplog) >= 60, "another speaks"


@pytest.mark.parametrize("mute", [False, True])
async def test_one_that_is_away_is_looked_for_often_only_while_nobody_can_speak(
    make: Make, system: FakeEngine, mute: bool
) -> None:
    """However often it was away before, and though the other is lost later than it."""
    looks = 0

    def probe() -> None:
        nonlocal looks
        looks += 1
        away()

    engine = make(probe=probe, retry_seconds=1_000.0, mute_retry_seconds=0.05)
    await started(engine)
    Fallback([engine, system])
    if mute:
        system.become(Phase.STARTING, "its process ended")
    await asyncio.sleep(0.5)
    assert (looks >= 4) is mute
    assert looks == 1 or mute
