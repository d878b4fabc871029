"""Several engines as one: its status, start and stop, and voices that say who speaks."""

import asyncio

from tests.engines.helpers import ANNA, HANS, LJ, PICO
from tests.fakes import FakeEngine, fake_voice
from wyoming_csm.engines.base import Phase, Status
from wyoming_csm.engines.fallback import Fallback


async def test_its_status_is_that_of_the_one_that_speaks(
    fallback: Fallback, csm: FakeEngine, coqui: FakeEngine, system: FakeEngine
) -> None:
    told: list[Phase] = []
    for engine in (csm, coqui, system):
        engine.subscribe(lambda: told.append(fallback.status.phase))
    assert fallback.status == Status(Phase.READY, "csm: fake")
    csm.become(Phase.STARTING, "loading")
    assert fallback.status == Status(Phase.READY, "coqui: fake")
    coqui.become(Phase.ABSENT, "not installed")
    system.become(Phase.RESTING, "died")
    detail = "csm: loading; coqui: not installed; system: died"
    assert fallback.status == Status(Phase.STARTING, detail)
    loaded = asyncio.create_task(fallback.wait_loaded())
    await asyncio.sleep(0.01)
    assert not loaded.done()
    csm.become(Phase.ABSENT, "no GPU")
    await asyncio.wait_for(loaded, 20)
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
    assert descriptions()[0] == "Anna"  # no engine can say it now
    coqui.become(Phase.READY)
    assert descriptions()[2:] == [
        "Pico (now spoken by Lj: system failed too often)",
        "Hans (now spoken by Lj: system failed too often)",
    ]
    assert [voice.name for voice in fallback.voices] == ["anna", "lj", "pico", "hans"]


async def test_voices_are_described_once_until_an_engine_changes(
    fallback: Fallback, csm: FakeEngine, system: FakeEngine
) -> None:
    system.become(Phase.STARTING)
    voices = fallback.voices
    assert fallback.voices is voices
    system.have_voices(PICO)
    assert HANS not in fallback.voices


async def test_names_are_unique(csm: FakeEngine) -> None:
    other = FakeEngine("coqui", voices=(fake_voice("anna", "fr", "coqui"), LJ))
    assert Fallback([csm, other]).voices == (ANNA, LJ)


async def test_voice_for(fallback: Fallback) -> None:
    assert fallback.voice_for(PICO) == PICO
    assert fallback.voice_for(fake_voice("x", "de", "")) == HANS
    assert fallback.voice_for(fake_voice("x", "sv", "")) is None
