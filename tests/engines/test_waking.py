"""An engine that sleeps, among others: who speaks until it is warm, and what is said of it."""

import asyncio
import logging
import time

import pytest

from tests.engines.helpers import ANNA, HANS, LJ, PICO, speak
from tests.fakes import FakeEngine, frame
from tests.server.clients import logged, warnings
from wyoming_csm.engines.base import Phase, Status
from wyoming_csm.engines.fallback import Fallback

WHOLE = [frame(number) for number in range(5)]
DETAIL = "unloaded until the next request"


@pytest.fixture(autouse=True)
def it_sleeps(csm: FakeEngine) -> None:
    csm.become(Phase.ASLEEP, DETAIL)


async def test_it_is_woken_and_another_speaks_at_once(
    fallback: Fallback, csm: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    early, later = fallback.start_reply(ANNA), fallback.start_reply(ANNA)
    assert await speak(early) == WHOLE
    assert csm.woken == 1
    csm.become(Phase.READY)
    assert await speak(early) == await speak(later) == WHOLE
    assert (early.spoken_by, later.spoken_by) == ("coqui/lj", "csm/anna")
    assert not warnings(caplog)
    assert "coqui/lj speaks while csm loads" in caplog.text


async def test_a_request_wakes_before_its_text_is_there(
    fallback: Fallback, csm: FakeEngine
) -> None:
    fallback.start_reply(ANNA)
    assert csm.woken == 1


async def test_another_engines_voice_lets_it_sleep(fallback: Fallback, csm: FakeEngine) -> None:
    for voice in (PICO, LJ, HANS):
        await speak(fallback.start_reply(voice))
    assert csm.woken == 0


async def test_it_stands_in_for_one_that_is_absent(
    fallback: Fallback, csm: FakeEngine, coqui: FakeEngine
) -> None:
    coqui.become(Phase.ABSENT, "not installed")
    reply = fallback.start_reply(LJ)
    await speak(reply)
    assert csm.woken == 1
    assert reply.spoken_by == "system/pico"


async def test_as_configured_the_request_waits_for_it(
    csm: FakeEngine, system: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    reply = Fallback([csm, system], waking_seconds=20).start_reply(ANNA)
    received = asyncio.create_task(speak(reply))
    await asyncio.sleep(0.02)
    assert not system.asked
    csm.become(Phase.READY)
    assert await received == WHOLE
    assert reply.spoken_by == "csm/anna"
    assert not logged(caplog)


async def test_it_does_not_wait_for_long(csm: FakeEngine, system: FakeEngine) -> None:
    """One that comes while it wakes waits as long; none waits for one that loads at first."""
    fallback = Fallback([csm, system], waking_seconds=0.6)
    for _ in range(2):
        begin = time.perf_counter()
        reply = fallback.start_reply(ANNA)
        assert await speak(reply) == WHOLE
        assert 0.6 <= time.perf_counter() - begin < 5
        assert reply.spoken_by == "system/pico"
        begin = time.perf_counter()
        assert await speak(reply) == WHOLE
        assert time.perf_counter() - begin < 0.6, "the reply stays with who speaks it"
    csm.become(Phase.STARTING)
    begin = time.perf_counter()
    await speak(fallback.start_reply(ANNA))
    assert time.perf_counter() - begin < 0.6
    assert csm.woken == 1


@pytest.mark.parametrize("other", [Phase.READY, Phase.ASLEEP])
async def test_one_whose_process_is_silent_is_not_waited_for(
    csm: FakeEngine, system: FakeEngine, other: Phase
) -> None:
    for phase in (Phase.WAKING, Phase.READY, Phase.STALLED):
        csm.become(phase)
    system.become(other)
    reply = Fallback([csm, system], waking_seconds=20).start_reply(ANNA)
    received = asyncio.create_task(speak(reply))
    await asyncio.sleep(0.01)
    assert system.woken == (other is Phase.ASLEEP)
    system.become(Phase.READY)
    async with asyncio.timeout(15):
        assert await received == WHOLE
    assert reply.spoken_by == "system/pico"


@pytest.mark.parametrize("waking_seconds", [0.0, 0.02])
async def test_without_another_engine_it_waits_on(csm: FakeEngine, waking_seconds: float) -> None:
    received = asyncio.create_task(speak(Fallback([csm], waking_seconds).start_reply(ANNA)))
    await asyncio.sleep(0.1)
    assert csm.woken == 1
    assert not received.done()
    csm.become(Phase.READY)
    assert await received == WHOLE


async def test_a_wake_that_fails_leaves_the_reply_to_the_next(
    csm: FakeEngine, system: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    reply = Fallback([csm, system], waking_seconds=20).start_reply(ANNA)
    received = asyncio.create_task(speak(reply))
    await asyncio.sleep(0.02)
    csm.become(Phase.ABSENT, "no GPU: put one in")
    assert await received == WHOLE
    assert reply.spoken_by == "system/pico"
    assert warnings(caplog) == ["system/pico speaks for csm's voices: no GPU: put one in"]


@pytest.mark.parametrize("phase", [Phase.ASLEEP, Phase.WAKING])
async def test_it_is_healthy(
    fallback: Fallback, csm: FakeEngine, coqui: FakeEngine, system: FakeEngine, phase: Phase
) -> None:
    csm.become(phase, DETAIL)
    assert fallback.voices == (ANNA, LJ, PICO, HANS)
    assert fallback.status == Status(Phase.READY, f"csm: {DETAIL}")
    for engine in (coqui, system):
        engine.become(Phase.ABSENT, "not installed")
    assert fallback.status == Status(phase, f"csm: {DETAIL}")
    assert fallback.voices[0] == ANNA
    loaded = asyncio.create_task(fallback.wait_loaded())
    await asyncio.sleep(0.01)
    assert loaded.done() is (phase is Phase.ASLEEP)
    csm.become(Phase.READY)
    await asyncio.wait_for(loaded, 20)
