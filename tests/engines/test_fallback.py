"""Engines in order, at the three moments: at the start, before a sentence's first sound, inside."""

import asyncio
from contextlib import aclosing

import msgspec
import pytest

from benchmarks.fixtures.fake_child import COMMAND
from tests.engines.helpers import ANNA, PICO, speak
from tests.fakes import FakeEngine, fake_voice, frame
from tests.server.clients import warnings
from wyoming_csm.audio import silence
from wyoming_csm.engines.base import Phase
from wyoming_csm.engines.child_engine import ChildEngine
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.engines.watchdog import Timeouts
from wyoming_csm.errors import EngineError
from wyoming_csm.text.pieces import Pause, Speak
from wyoming_csm.worker.protocol import Configure

WHOLE = [frame(number) for number in range(5)]


# -- who speaks


async def test_a_voices_own_engine_speaks(
    fallback: Fallback, csm: FakeEngine, system: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    for voice, engine in ((ANNA, csm), (PICO, system)):
        reply = fallback.start_reply(voice)
        assert reply.spoken_by == reply.speakers == ""
        assert await speak(reply) == WHOLE
        assert reply.spoken_by == f"{engine.name}/{voice.name}"
        assert reply.stand_ins == []
        await reply.aclose()
        assert engine.replies[-1].closed == 1
    assert not warnings(caplog)


async def test_a_preset_is_spoken_by_the_voice_that_it_is_made_of(fallback: Fallback) -> None:
    reply = fallback.start_reply(msgspec.structs.replace(ANNA, name="night", base="anna"))
    assert await speak(reply) == WHOLE
    assert (reply.spoken_by, reply.stand_ins) == ("csm/anna", [])


async def test_absent_engines_are_left_out(
    fallback: Fallback, csm: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    csm.become(Phase.ABSENT, "no GPU: put one in")
    for _ in range(3):
        reply = fallback.start_reply(ANNA)
        assert await speak(reply) == WHOLE
        assert reply.spoken_by == "coqui/lj"
        assert reply.stand_ins == ["coqui/lj"]
    assert warnings(caplog) == ["coqui/lj speaks for csm's voices: no GPU: put one in"]


@pytest.mark.parametrize(("phase", "unsuited"), [(Phase.STARTING, False), (Phase.ABSENT, True)])
async def test_it_is_no_cause_for_a_warning_that_one_loads_or_is_not_made_for_this_machine(
    fallback: Fallback,
    csm: FakeEngine,
    caplog: pytest.LogCaptureFixture,
    *,
    phase: Phase,
    unsuited: bool,
) -> None:
    csm.become(phase, "no GPU: put one in", unsuited=unsuited)
    reply = fallback.start_reply(ANNA)
    assert await speak(reply) == WHOLE
    assert reply.spoken_by == "coqui/lj"
    assert warnings(caplog) == []


async def test_an_engine_without_the_language_is_passed_over(
    fallback: Fallback, csm: FakeEngine
) -> None:
    reply = fallback.start_reply(fake_voice("otto", "de", "csm"))
    await speak(reply)
    assert reply.spoken_by == "system/hans"


async def test_a_language_nobody_speaks_is_spoken_by_the_default(
    fallback: Fallback, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        reply = fallback.start_reply(fake_voice("sven", "sv", "csm"))
        assert await speak(reply) == WHOLE
        assert reply.spoken_by == "csm/anna"
    assert warnings(caplog) == ["No engine that is ready speaks 'sv': anna does"]


async def test_one_that_is_starting_is_passed_over(fallback: Fallback, csm: FakeEngine) -> None:
    csm.become(Phase.STARTING)
    early, later = fallback.start_reply(ANNA), fallback.start_reply(ANNA)
    await speak(early)
    csm.become(Phase.READY)
    await speak(early)
    await speak(later)
    assert (early.spoken_by, later.spoken_by) == ("coqui/lj", "csm/anna")


async def test_an_early_request_waits_for_the_first_to_be_ready(
    fallback: Fallback, csm: FakeEngine, coqui: FakeEngine, system: FakeEngine
) -> None:
    for engine in (csm, coqui, system):
        engine.become(Phase.STARTING)
    reply = fallback.start_reply(ANNA)
    received = asyncio.create_task(speak(reply))
    await asyncio.sleep(0.01)
    coqui.become(Phase.ABSENT, "not installed")
    await asyncio.sleep(0.01)
    assert not received.done()
    system.become(Phase.READY)
    assert await received == WHOLE
    assert reply.spoken_by == "system/pico"


@pytest.mark.parametrize("phase", [Phase.RESTING, Phase.ABSENT])
async def test_one_that_is_ready_again_speaks_though_another_still_loads(
    csm: FakeEngine, system: FakeEngine, phase: Phase
) -> None:
    """As a download of many minutes, which the reply need not wait for."""
    csm.become(Phase.STARTING, "downloading")
    system.become(phase, "failed 5 times")
    fallback = Fallback([csm, system])
    reply = fallback.start_reply(ANNA)
    received = asyncio.create_task(speak(reply))
    loaded = asyncio.create_task(fallback.wait_loaded())
    await asyncio.sleep(0.01)
    system.become(Phase.STARTING, "trying again")
    await asyncio.sleep(0.01)
    assert not received.done()
    assert not loaded.done()
    system.become(Phase.READY)
    async with asyncio.timeout(20):
        assert await received == WHOLE
        await loaded
    assert reply.spoken_by == "system/pico"


async def test_nobody_can(
    fallback: Fallback, csm: FakeEngine, coqui: FakeEngine, system: FakeEngine
) -> None:
    csm.become(Phase.ABSENT, "no GPU")
    coqui.become(Phase.RESTING, "died too often")
    system.fail_after = 0
    with pytest.raises(
        EngineError, match=r"csm: no GPU; coqui: died too often; system: system was told to fail"
    ):
        await speak(fallback.start_reply(ANNA))


# -- a sentence fails


async def test_before_the_first_sound_the_next_takes_it_and_the_rest_of_the_reply(
    fallback: Fallback, csm: FakeEngine, coqui: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    reply = fallback.start_reply(ANNA, "10.0.0.1")
    assert await speak(reply, "One.") == WHOLE
    assert reply.speakers == "csm/anna"
    csm.fail_after = 0
    assert await speak(reply, "Two.") == WHOLE
    csm.fail_after = None
    assert await speak(reply, "Three.") == WHOLE
    assert csm.asked == ["One.", "Two."]
    assert coqui.asked == ["Two.", "Three."]
    assert reply.speakers == "csm/anna (1 sentence), then coqui/lj (2)"
    assert csm.replies[0].closed
    assert warnings(caplog) == [
        "coqui/lj goes on for 10.0.0.1 instead of csm (csm was told to fail after 0 frames)",
    ]


async def test_it_goes_on_to_the_last(
    fallback: Fallback, csm: FakeEngine, coqui: FakeEngine, system: FakeEngine
) -> None:
    csm.fail_after = coqui.fail_after = 0
    reply = fallback.start_reply(ANNA)
    assert await speak(reply) == WHOLE
    assert reply.spoken_by == "system/pico"


async def test_inside_a_sentence_the_error_goes_up(
    fallback: Fallback, csm: FakeEngine, coqui: FakeEngine
) -> None:
    csm.fail_after = 2
    received: list[bytes] = []
    with pytest.raises(EngineError, match="after 2 frames"):
        await speak(fallback.start_reply(ANNA), into=received)
    assert received == WHOLE[:2]
    assert not coqui.asked


async def test_what_has_not_sounded_yet_is_dropped_for_another_engine(
    fallback: Fallback, csm: FakeEngine, coqui: FakeEngine
) -> None:
    csm.fail_after = 2
    received: list[bytes] = []

    def drop() -> bool:
        assert received == WHOLE[:2]
        received.clear()
        return True

    reply = fallback.start_reply(ANNA)
    async with aclosing(reply.speak(Speak("Hello."), drop)) as sound:
        async for pcm in sound:
            received.append(pcm)
    assert received == WHOLE
    assert coqui.finished == ["Hello."]
    assert reply.speakers == "coqui/lj", "who was dropped did not speak"


async def test_an_empty_chunk_is_no_sound(fallback: Fallback, csm: FakeEngine) -> None:
    csm.hesitates, csm.fail_after = True, 0
    assert await speak(fallback.start_reply(ANNA)) == WHOLE


async def test_an_unspeakable_sentence_is_no_fault(fallback: Fallback, csm: FakeEngine) -> None:
    csm.frames = 0
    reply = fallback.start_reply(ANNA)
    assert await speak(reply, "…") == []
    assert reply.spoken_by == "csm/anna"


async def test_one_that_died_between_sentences_is_not_waited_for(
    fallback: Fallback, csm: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    reply = fallback.start_reply(ANNA, "10.0.0.1")
    await speak(reply)
    csm.become(Phase.STARTING, "its process ended")
    assert await speak(reply) == WHOLE
    assert reply.spoken_by == "coqui/lj"
    assert warnings(caplog) == ["coqui/lj goes on for 10.0.0.1 instead of csm (its process ended)"]


async def test_the_only_one_is_waited_for(csm: FakeEngine) -> None:
    reply = Fallback([csm]).start_reply(ANNA)
    await speak(reply)
    csm.become(Phase.STARTING, "its process ended")
    received = asyncio.create_task(speak(reply))
    await asyncio.sleep(0.01)
    csm.become(Phase.READY)
    assert await received == WHOLE


async def test_closing_early_closes_the_engines_generator(
    fallback: Fallback, csm: FakeEngine
) -> None:
    async with aclosing(fallback.start_reply(ANNA).speak(Speak("Long."))) as sound:
        await anext(sound)
    assert csm.cancelled == ["Long."]
    assert csm.speaking == 0


async def test_a_pause_needs_no_engine(fallback: Fallback, csm: FakeEngine) -> None:
    csm.become(Phase.STARTING)
    assert [pcm async for pcm in fallback.start_reply(ANNA).speak(Pause(0.25))] == [silence(0.25)]


async def test_over_a_real_child_that_dies(system: FakeEngine) -> None:
    csm = ChildEngine(
        Configure("csm", {"fault": "die"}, "", ""),
        voices=lambda: (ANNA,),
        probe=lambda: None,
        patience=Timeouts(restart=0.01),
        command=COMMAND,
    )
    fallback = Fallback([csm, system])
    await fallback.start()
    await csm.wait_loaded()
    reply = fallback.start_reply(ANNA)
    assert await speak(reply) == WHOLE
    assert reply.spoken_by == "system/pico"
    await fallback.stop()
    assert system.stopped == 1
