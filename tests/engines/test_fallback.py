"""Engines in order, at the three moments: at the start, before a sentence's first sound, inside."""

import asyncio
import logging
from contextlib import aclosing

import pytest

from tests.fakes import FakeEngine, fake_voice, frame
from tests.worker.fake_child import COMMAND
from wyoming_csm.audio import silence
from wyoming_csm.engines.base import Pause, Phase, Reply, Speak, Status
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.engines.worker import WorkerEngine
from wyoming_csm.errors import EngineError
from wyoming_csm.worker.protocol import Configure

ANNA = fake_voice("anna", "en", "csm")
LJ = fake_voice("lj", "en", "coqui")
PICO = fake_voice("pico", "en-US", "system")
HANS = fake_voice("hans", "de-DE", "system")


@pytest.fixture
def csm() -> FakeEngine:
    return FakeEngine("csm", voices=(ANNA,), slots=4)


@pytest.fixture
def coqui() -> FakeEngine:
    return FakeEngine("coqui", voices=(LJ,), slots=1)


@pytest.fixture
def system() -> FakeEngine:
    return FakeEngine("system", voices=(PICO, HANS), slots=2)


@pytest.fixture
def fallback(csm: FakeEngine, coqui: FakeEngine, system: FakeEngine) -> Fallback:
    return Fallback([csm, coqui, system])


async def hear(reply: Reply, text: str = "Hello.", into: list[bytes] | None = None) -> list[bytes]:
    heard = [] if into is None else into
    async with asyncio.timeout(10), aclosing(reply.speak(Speak(text))) as sound:
        async for pcm in sound:
            heard.append(pcm)
    return heard


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


WHOLE = [frame(number) for number in range(5)]


# -- who speaks


async def test_a_voices_own_engine_speaks(
    fallback: Fallback, csm: FakeEngine, system: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    for voice, engine in ((ANNA, csm), (PICO, system)):
        reply = fallback.start_reply(voice)
        assert reply.spoken_by == "none"
        assert await hear(reply) == WHOLE
        assert reply.spoken_by == f"{engine.name}/{voice.name}"
        await reply.aclose()
        assert engine.replies[-1].closed == 1
    assert not warnings(caplog)


async def test_absent_engines_are_left_out(
    fallback: Fallback, csm: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    csm.become(Phase.ABSENT, "no GPU: put one in")
    for _ in range(3):
        reply = fallback.start_reply(ANNA)
        assert await hear(reply) == WHOLE
        assert reply.spoken_by == "coqui/lj"
    assert warnings(caplog) == ["coqui/lj speaks for csm's voices: no GPU: put one in"]


async def test_an_engine_without_the_language_is_passed_over(
    fallback: Fallback, csm: FakeEngine
) -> None:
    reply = fallback.start_reply(fake_voice("otto", "de", "csm"))
    await hear(reply)
    assert reply.spoken_by == "system/hans"


async def test_a_language_nobody_speaks_is_spoken_by_the_default(
    fallback: Fallback, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        reply = fallback.start_reply(fake_voice("sven", "sv", "csm"))
        assert await hear(reply) == WHOLE
        assert reply.spoken_by == "csm/anna"
    assert warnings(caplog) == ["No engine that is ready speaks 'sv': anna does"]


async def test_one_that_is_starting_is_passed_over(fallback: Fallback, csm: FakeEngine) -> None:
    csm.become(Phase.STARTING)
    early, later = fallback.start_reply(ANNA), fallback.start_reply(ANNA)
    await hear(early)
    csm.become(Phase.READY)
    await hear(early)
    await hear(later)
    assert (early.spoken_by, later.spoken_by) == ("coqui/lj", "csm/anna")


async def test_an_early_request_waits_for_the_first_to_be_ready(
    fallback: Fallback, csm: FakeEngine, coqui: FakeEngine, system: FakeEngine
) -> None:
    for engine in (csm, coqui, system):
        engine.become(Phase.STARTING)
    reply = fallback.start_reply(ANNA)
    heard = asyncio.create_task(hear(reply))
    await asyncio.sleep(0.01)
    coqui.become(Phase.ABSENT, "not installed")
    await asyncio.sleep(0.01)
    assert not heard.done()
    system.become(Phase.READY)
    assert await heard == WHOLE
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
        await hear(fallback.start_reply(ANNA))


# -- a sentence fails


async def test_before_the_first_sound_the_next_takes_it_and_keeps_the_reply(
    fallback: Fallback, csm: FakeEngine, coqui: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    reply = fallback.start_reply(ANNA)
    assert await hear(reply, "One.") == WHOLE
    csm.fail_after = 0
    assert await hear(reply, "Two.") == WHOLE
    csm.fail_after = None
    assert await hear(reply, "Three.") == WHOLE
    assert csm.asked == ["One.", "Two."]
    assert coqui.asked == ["Two.", "Three."]
    assert reply.spoken_by == "coqui/lj"
    assert csm.replies[0].closed
    assert warnings(caplog) == [
        "coqui/lj takes over a reply: csm was told to fail after 0 frames",
    ]


async def test_it_goes_on_to_the_last(
    fallback: Fallback, csm: FakeEngine, coqui: FakeEngine, system: FakeEngine
) -> None:
    csm.fail_after = coqui.fail_after = 0
    reply = fallback.start_reply(ANNA)
    assert await hear(reply) == WHOLE
    assert reply.spoken_by == "system/pico"


async def test_inside_a_sentence_the_error_goes_up(
    fallback: Fallback, csm: FakeEngine, coqui: FakeEngine
) -> None:
    csm.fail_after = 2
    heard: list[bytes] = []
    with pytest.raises(EngineError, match="after 2 frames"):
        await hear(fallback.start_reply(ANNA), into=heard)
    assert heard == WHOLE[:2]
    assert not coqui.asked


async def test_an_empty_chunk_was_not_heard(fallback: Fallback, csm: FakeEngine) -> None:
    csm.hesitates, csm.fail_after = True, 0
    assert await hear(fallback.start_reply(ANNA)) == [b"", *WHOLE]


async def test_an_unspeakable_sentence_is_no_fault(fallback: Fallback, csm: FakeEngine) -> None:
    csm.frames = 0
    reply = fallback.start_reply(ANNA)
    assert await hear(reply, "…") == []
    assert reply.spoken_by == "csm/anna"


async def test_one_that_died_between_sentences_is_not_waited_for(
    fallback: Fallback, csm: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    reply = fallback.start_reply(ANNA)
    await hear(reply)
    csm.become(Phase.STARTING, "its process ended")
    assert await hear(reply) == WHOLE
    assert reply.spoken_by == "coqui/lj"
    assert warnings(caplog) == ["coqui/lj takes over a reply: its process ended"]


async def test_the_only_one_is_waited_for(csm: FakeEngine) -> None:
    reply = Fallback([csm]).start_reply(ANNA)
    await hear(reply)
    csm.become(Phase.STARTING, "its process ended")
    heard = asyncio.create_task(hear(reply))
    await asyncio.sleep(0.01)
    csm.become(Phase.READY)
    assert await heard == WHOLE


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
    csm = WorkerEngine(
        Configure("csm", {"fault": "die"}, "", ""),
        voices=lambda: (ANNA,),
        probe=lambda: None,
        hang_seconds=10,
        restart_seconds=0.01,
        command=COMMAND,
    )
    fallback = Fallback([csm, system])
    await fallback.start()
    await csm.wait_settled()
    reply = fallback.start_reply(ANNA)
    assert await hear(reply) == WHOLE
    assert reply.spoken_by == "system/pico"
    await fallback.stop()
    assert system.stopped == 1


# -- as an engine


async def test_status_and_slots_are_those_of_who_speaks(
    fallback: Fallback, csm: FakeEngine, coqui: FakeEngine, system: FakeEngine
) -> None:
    told: list[Phase] = []
    fallback.subscribe(lambda: told.append(fallback.status.phase))
    assert (fallback.status, fallback.slots) == (Status(Phase.READY, "csm: fake"), 4)
    csm.become(Phase.STARTING, "loading")
    assert (fallback.status, fallback.slots) == (Status(Phase.READY, "coqui: fake"), 1)
    coqui.become(Phase.ABSENT, "not installed")
    system.become(Phase.RESTING, "died")
    detail = "csm: loading; coqui: not installed; system: died"
    assert (fallback.status, fallback.slots) == (Status(Phase.STARTING, detail), 1)
    settled = asyncio.create_task(fallback.wait_settled())
    await asyncio.sleep(0.01)
    assert not settled.done()
    csm.become(Phase.ABSENT, "no GPU")
    await asyncio.wait_for(settled, 5)
    system.become(Phase.ABSENT)
    ready, starting, resting, absent = Phase.READY, Phase.STARTING, Phase.RESTING, Phase.ABSENT
    assert told == [ready, ready, starting, resting, absent]


async def test_start_and_stop_reach_all(
    fallback: Fallback, csm: FakeEngine, coqui: FakeEngine, system: FakeEngine
) -> None:
    await fallback.start()
    await fallback.stop()
    assert [(one.started, one.stopped) for one in (csm, coqui, system)] == [(1, 1)] * 3


async def test_voices_say_who_speaks(
    fallback: Fallback, csm: FakeEngine, coqui: FakeEngine, system: FakeEngine
) -> None:
    def descriptions() -> list[str]:
        return [voice.description for voice in fallback.voices]

    assert fallback.voices == (ANNA, LJ, PICO, HANS)
    csm.become(Phase.ABSENT, "CSM needs an NVIDIA GPU: see the README")
    coqui.become(Phase.STARTING, "downloading 3 %")
    assert descriptions() == [
        "Anna (now spoken by Pico: CSM needs an NVIDIA GPU)",
        "Lj (now spoken by Pico: coqui is loading)",
        "Pico",
        "Hans",
    ]
    csm.become(Phase.ABSENT, "x" * 100)
    assert len(descriptions()[0]) < 100
    system.become(Phase.RESTING, "died 5 times")
    assert descriptions()[0] == "Anna"  # nobody can say it now
    coqui.become(Phase.READY)
    assert descriptions()[2:] == [
        "Pico (now spoken by Lj: system failed too often)",
        "Hans (now spoken by Lj: system failed too often)",
    ]
    assert [voice.name for voice in fallback.voices] == ["anna", "lj", "pico", "hans"]


async def test_names_are_unique(csm: FakeEngine) -> None:
    other = FakeEngine("coqui", voices=(fake_voice("anna", "fr", "coqui"), LJ))
    assert Fallback([csm, other]).voices == (ANNA, LJ)


async def test_voice_for(fallback: Fallback) -> None:
    assert fallback.voice_for(PICO) == PICO
    assert fallback.voice_for(fake_voice("x", "de", "")) == HANS
    assert fallback.voice_for(fake_voice("x", "sv", "")) is None
