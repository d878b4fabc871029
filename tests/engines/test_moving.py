"""A sentence of which nothing came yet: when it moves to another engine, and when it stays."""

import asyncio
import logging
import os
import signal

import pytest

from tests.engines.helpers import ANNA, HANS, LJ, PICO, VOICES, Make, speak, started, until
from tests.fakes import FakeEngine, frame
from tests.server.clients import eventually
from wyoming_csm.engines.base import Phase
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.engines.reply import Reply
from wyoming_csm.voices import Voice

WHOLE = [frame(number) for number in range(5)]


async def occupied(engine: FakeEngine, house: Fallback, voice: Voice) -> asyncio.Task[list[bytes]]:
    """A sentence that has the engine's only slot until `hold` is set."""
    engine.slots = 1
    engine.hold.clear()
    busy = asyncio.create_task(speak(house.start_reply(voice)))
    await eventually(lambda: engine.speaking == 1)
    return busy


async def waiting(csm: FakeEngine, house: Fallback) -> tuple[Reply, asyncio.Task[list[bytes]]]:
    """A reply whose sentence waits for CSM's only slot."""
    speaking = await occupied(csm, house, ANNA)
    asyncio.get_running_loop().call_later(5, csm.hold.set)
    reply = house.start_reply(ANNA, "10.0.0.1")
    received = asyncio.create_task(speak(reply, "Second."))
    await eventually(lambda: csm.waiting == 1)
    assert not speaking.done()
    return reply, received


# -- late: its child says that it waits beyond all patience


async def test_late_it_goes_to_an_engine_that_is_ready(
    csm: FakeEngine, system: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    reply, received = await waiting(csm, Fallback([csm, system]))
    csm.be_late()
    assert await received == WHOLE
    assert reply.spoken_by == "system/pico"
    assert csm.waiting == 0
    line = "system/pico goes on for 10.0.0.1 instead of csm (no slot came free in 0.0 s)"
    assert line in caplog.text
    assert await speak(reply, "Third.") == WHOLE
    assert system.finished == ["Second.", "Third."], "the reply stays there"
    csm.hold.set()
    await eventually(lambda: csm.speaking == 0)
    assert csm.asked == ["Hello."], "what was taken away never gets a slot"


async def test_late_and_no_other_can_speak_it_waits_on(csm: FakeEngine, system: FakeEngine) -> None:
    """One is absent, one loads, one has no voice of its language: none is worth losing it for."""
    foreign = FakeEngine("foreign", voices=(HANS,))
    system.become(Phase.STARTING, "loading")
    coqui = FakeEngine("coqui")
    coqui.become(Phase.ABSENT, "not installed")
    reply, received = await waiting(csm, Fallback([csm, coqui, system, foreign]))
    csm.be_late()
    await asyncio.sleep(0.05)
    assert csm.waiting == 1
    csm.hold.set()
    assert await received == WHOLE
    assert reply.spoken_by == "csm/anna"


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.RESTING, Phase.ABSENT])
async def test_late_it_goes_to_an_engine_as_soon_as_that_can(
    csm: FakeEngine, system: FakeEngine, phase: Phase
) -> None:
    system.become(phase)
    reply, received = await waiting(csm, Fallback([csm, system]))
    csm.be_late()
    await asyncio.sleep(0.05)
    assert not received.done()
    system.become(Phase.READY)
    assert await received == WHOLE
    assert reply.spoken_by == "system/pico"


async def test_late_it_wakes_an_engine_that_sleeps(csm: FakeEngine, system: FakeEngine) -> None:
    system.become(Phase.ASLEEP)
    reply, received = await waiting(csm, Fallback([csm, system]))
    assert system.woken == 0
    csm.be_late()
    await eventually(lambda: system.woken == 1)
    system.become(Phase.READY)
    assert await received == WHOLE
    assert reply.spoken_by == "system/pico"


async def test_late_it_goes_to_an_engine_when_that_has_a_slot_free(
    csm: FakeEngine, system: FakeEngine
) -> None:
    house = Fallback([csm, system])
    busy = await occupied(system, house, HANS)
    reply, received = await waiting(csm, house)
    csm.be_late()
    await asyncio.sleep(0.05)
    assert (csm.waiting, system.waiting) == (1, 0)
    system.hold.set()
    assert await received == await busy == WHOLE
    assert reply.spoken_by == "system/pico"


async def test_late_it_wakes_one_that_sleeps_behind_one_that_is_busy(
    csm: FakeEngine, coqui: FakeEngine, system: FakeEngine
) -> None:
    house = Fallback([csm, coqui, system])
    busy = await occupied(coqui, house, LJ)
    system.become(Phase.ASLEEP)
    reply, received = await waiting(csm, house)
    csm.be_late()
    await eventually(lambda: system.woken == 1)
    system.become(Phase.READY)
    assert await received == WHOLE
    assert reply.spoken_by == "system/pico"
    coqui.hold.set()
    await busy


async def test_a_replys_next_sentence_goes_to_a_replica_where_its_own_is_busy() -> None:
    first, second = (FakeEngine("csm", voices=(ANNA,), slots=1) for _ in range(2))
    house = Fallback([first, second])
    reply = house.start_reply(ANNA)
    assert await speak(reply, "First.") == WHOLE
    second.become(Phase.STARTING)
    busy = await occupied(first, house, ANNA)
    second.become(Phase.READY)
    assert await speak(reply, "Second.") == WHOLE
    assert (first.finished, second.finished) == (["First."], ["Second."])
    assert first.replies[0].closed == 1, "its context is there no more"
    first.hold.set()
    await busy


# -- none goes back to an engine at which it failed


async def test_a_sentence_that_failed_at_one_replica_waits_for_the_other() -> None:
    first, second = (FakeEngine("csm", voices=(ANNA,), slots=1) for _ in range(2))
    first.become(Phase.STARTING)
    house = Fallback([first, second])
    busy = await occupied(second, house, ANNA)
    first.become(Phase.READY)
    first.fail_after = 0
    received = asyncio.create_task(speak(house.start_reply(ANNA), "Second."))
    await eventually(lambda: second.waiting == 1)
    await asyncio.sleep(0.1)
    assert (first.asked, second.waiting) == (["Second."], 1)
    second.hold.set()
    assert await received == await busy == WHOLE


async def test_late_it_does_not_go_back_to_one_at_which_it_failed(
    csm: FakeEngine, system: FakeEngine
) -> None:
    house = Fallback([csm, system])
    busy = await occupied(system, house, PICO)
    csm.fail_after = 0
    received = asyncio.create_task(speak(house.start_reply(ANNA), "Second."))
    await eventually(lambda: system.waiting == 1)
    system.be_late()
    await asyncio.sleep(0.05)
    assert (csm.asked, system.waiting) == (["Second."], 1), "it has not lost its turn"
    system.hold.set()
    assert await received == await busy == WHOLE


# -- silent: its child misses heartbeats


async def test_a_stopped_childs_sentence_goes_to_the_next_engine_after_three_beats(
    make: Make, system: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """The child is ended much later; when it was only slow, and goes on, nothing is doubled."""
    csm = await started(make(frames=5))
    house = Fallback([csm, system])
    phases: list[Phase] = []
    csm.subscribe(lambda: phases.append(csm.status.phase))
    caplog.set_level(logging.INFO)
    reply = house.start_reply(VOICES[0], "10.0.0.1")
    assert await speak(reply) == WHOLE
    assert reply.spoken_by == "fake/anna"
    pid = csm.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    begin = asyncio.get_running_loop().time()
    assert await speak(reply, "Second.") == WHOLE
    assert 2 <= asyncio.get_running_loop().time() - begin <= 6
    assert reply.spoken_by == "system/pico"
    assert csm.status.phase is Phase.STALLED
    silent = "(its process has been silent for 3.5 s)"
    assert f"system/pico goes on for 10.0.0.1 instead of fake {silent}" in caplog.text
    os.kill(pid, signal.SIGCONT)
    await until(csm, lambda: csm.status.phase is Phase.READY)
    assert (csm.pid, csm.status.detail) == (pid, "fake child")
    assert phases == [Phase.STALLED, Phase.READY]
    assert await speak(house.start_reply(VOICES[0])) == WHOLE, "no frame of the second one"
    assert system.finished == ["Second."]


async def test_without_another_engine_a_stopped_childs_sentence_waits_for_it(make: Make) -> None:
    csm = await started(make(frames=5))
    house = Fallback([csm])
    pid = csm.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    received = asyncio.create_task(speak(house.start_reply(VOICES[0])))
    await until(csm, lambda: csm.status.phase is Phase.STALLED)
    later = asyncio.create_task(speak(house.start_reply(VOICES[0])))
    await asyncio.sleep(0.1)
    os.kill(pid, signal.SIGCONT)
    assert await received == await later == WHOLE
    assert csm.pid == pid


async def test_a_sentence_that_sounded_stays_with_a_silent_child(
    csm: FakeEngine, system: FakeEngine
) -> None:
    """Nothing is spliced."""
    csm.frame_seconds = 0.05
    reply = Fallback([csm, system]).start_reply(ANNA)
    received: list[bytes] = []
    speaking = asyncio.create_task(speak(reply, into=received))
    await eventually(lambda: bool(received))
    csm.become(Phase.STALLED, "silent")
    assert await speaking == WHOLE
    assert not system.asked
    assert await speak(reply) == WHOLE
    assert reply.spoken_by == "system/pico", "the next one does not wait for it"


# -- the table of phases


def test_what_a_phase_may_become() -> None:
    for phase in Phase:
        assert phase.may_become(phase)
        assert phase.may_become(Phase.ABSENT)
    assert not Phase.ABSENT.may_become(Phase.READY), "it loads first"
    assert not Phase.ASLEEP.may_become(Phase.READY), "it wakes first"
    assert not Phase.STALLED.may_become(Phase.ASLEEP)
    assert Phase.STALLED.may_become(Phase.READY)
