"""A reply that was said before: found without its engine, and never another engine's."""

import asyncio
import logging
from contextlib import aclosing
from pathlib import Path

import pytest

from tests.engines.helpers import ANNA, PICO, speak
from tests.engines.repeating import HOT, WHOLE, House, stored
from tests.fakes import FakeEngine
from tests.server.clients import logged
from wyoming_csm.config import CacheConfig
from wyoming_csm.engines.base import Phase
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.engines.sentence_cache import SentenceCache
from wyoming_csm.errors import EngineError
from wyoming_csm.text.pieces import Speak
from wyoming_csm.worker.protocol import Identified


async def test_a_reply_that_was_said_comes_from_the_disk(house: House, csm: FakeEngine) -> None:
    assert await house.hear("Turned on the lights.") == WHOLE
    assert house.speakers == "csm/anna"
    assert await house.hear("Turned on the lights.") == WHOLE
    assert house.speakers == "csm/anna from the cache"
    assert csm.asked == ["Turned on the lights."]
    await house.hear("Turned off the lights.")
    assert len(csm.asked) == 2


@pytest.mark.parametrize("phase", [Phase.ASLEEP, Phase.WAKING, Phase.STARTING, Phase.STALLED])
async def test_its_engine_need_not_be_there_and_is_not_woken(
    house: House, csm: FakeEngine, system: FakeEngine, phase: Phase
) -> None:
    await house.hear("Hello.")
    csm.become(phase)
    assert await house.hear("Hello.") == WHOLE
    assert house.speakers == "csm/anna from the cache"
    assert (csm.woken, system.asked) == (0, [])
    await house.hear("Not said before.")
    assert csm.woken == (phase is Phase.ASLEEP)


async def test_a_disk_that_gives_nothing_makes_no_engine_mute(
    tmp_path: Path, csm: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    csm.identity = HOT
    house = House(tmp_path / ("long" * 100), csm)  # no user may, where a name is so long
    for _ in range(2):
        assert await house.hear("Hello.") == WHOLE
    assert csm.asked == ["Hello."] * 2


async def test_a_busy_engine_is_not_waited_for(house: House, csm: FakeEngine) -> None:
    await house.hear("Hello.")
    csm.slots = 1
    csm.hold.clear()
    busy = asyncio.create_task(speak(Fallback([csm]).start_reply(ANNA), "Something long."))
    assert await house.hear("Hello.") == WHOLE
    csm.hold.set()
    await busy


@pytest.mark.parametrize("phase", [Phase.ABSENT, Phase.RESTING])
async def test_where_its_engine_cannot_speak_another_has_the_whole_reply(
    house: House, csm: FakeEngine, phase: Phase
) -> None:
    await house.hear("Hello.")
    csm.become(phase)
    await house.hear("Hello.")
    assert house.speakers == "coqui/lj"


async def test_what_stood_in_is_not_found_for_its_voice(
    house: House, csm: FakeEngine, coqui: FakeEngine
) -> None:
    coqui.identity, coqui.frames = Identified("coqui"), 2
    csm.become(Phase.STARTING)
    short = await house.hear("Hello.")
    assert await house.hear("Hello.") == short
    assert house.speakers == "coqui/lj from the cache"
    csm.become(Phase.READY)
    assert await house.hear("Hello.") == WHOLE
    assert house.speakers == "csm/anna"


async def test_a_sentence_that_moved_is_stored_as_its_speakers(
    house: House, csm: FakeEngine, coqui: FakeEngine
) -> None:
    coqui.identity, coqui.frames = Identified("coqui"), 2
    csm.fail_after = 0
    await house.hear("Hello.")
    assert house.speakers == "coqui/lj"
    csm.fail_after = None
    assert await house.hear("Hello.") == WHOLE


async def test_another_checkpoint_has_said_nothing(house: House, csm: FakeEngine) -> None:
    await house.hear("Hello.")
    csm.identity = Identified("csm, cold")
    await house.hear("Hello.")
    csm.identity = None
    await house.hear("Hello.")
    assert len(csm.asked) == 3


async def test_who_says_no_more_of_itself_is_asked_each_time(
    house: House, csm: FakeEngine, tmp_path: Path
) -> None:
    csm.identity = Identified("", ("data/speakers/0.json",))
    for _ in range(2):
        await house.hear("Hello.")
    assert csm.asked == ["Hello."] * 2
    assert stored(tmp_path) == 0
    assert house.replies[-1].recall.lookups == 0


async def test_what_was_looked_for_and_found_is_counted(house: House) -> None:
    await house.hear("Hello.")
    await house.hear("Hello.", "New.", "Newer.")
    found = [(reply.recall.lookups, reply.recall.found) for reply in house.replies]
    assert found == [(1, 0), (3, 1)]


async def test_what_was_cut_fails_or_makes_no_sound_is_not_stored(
    house: House, csm: FakeEngine, coqui: FakeEngine, system: FakeEngine
) -> None:
    house.engines = (csm,)
    csm.fail_after = 2
    with pytest.raises(EngineError):
        await house.hear("Hello.")
    csm.fail_after, csm.frames = None, 0
    await house.hear("Hello.")
    csm.frames, csm.whole = 5, False
    await house.hear("Hello.")
    csm.whole = True
    assert await house.hear("Hello.") == WHOLE
    assert house.speakers == "csm/anna"
    assert await house.hear("Hello.") == WHOLE
    assert house.speakers == "csm/anna from the cache"


async def test_silence_for_what_has_no_letters_is_not_stored(house: House, csm: FakeEngine) -> None:
    csm.frames = 0
    assert await house.hear("?!") == b""
    csm.frames = 5
    assert await house.hear("?!") == WHOLE


async def test_what_a_listener_left_is_not_stored(tmp_path: Path, csm: FakeEngine) -> None:
    csm.identity = HOT
    cache = SentenceCache(tmp_path, CacheConfig())
    reply = Fallback([csm], cache=cache).start_reply(ANNA)
    async with aclosing(reply.speak(Speak("Hello."))) as sound:
        await anext(sound)
    await reply.aclose()
    await cache.close()
    assert stored(tmp_path) == 0


async def test_a_reply_stays_with_the_engine_that_it_is_found_of(
    tmp_path: Path, house: House, csm: FakeEngine, coqui: FakeEngine, cache: SentenceCache
) -> None:
    """Also if its voice's own engine is ready in the middle of it."""
    coqui.identity = Identified("coqui")
    csm.become(Phase.STARTING)
    await house.hear("One.", "Two.")
    reply = Fallback([csm, coqui], cache=cache).start_reply(ANNA)
    await speak(reply, "One.")
    csm.become(Phase.READY)
    await speak(reply, "Two.")
    await speak(reply, "Three.")
    assert reply.speakers == "coqui/lj from the cache (2 sentences), then coqui/lj (1)"
    await reply.aclose()


async def test_what_cannot_be_found_is_spoken_by_who_can(
    house: House, csm: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    await house.hear("One.")
    csm.become(Phase.ASLEEP, "unloaded")
    caplog.set_level(logging.INFO)
    await house.hear("One.", "New.")
    assert house.speakers == "csm/anna from the cache (1 sentence), then coqui/lj (1)"
    assert csm.woken == 1
    assert [record.levelname for record in logged(caplog)] == ["INFO"]


async def test_a_replica_finds_what_another_said(tmp_path: Path) -> None:
    first, second = (FakeEngine("csm", voices=(ANNA,)) for _ in range(2))
    for one in (first, second):
        one.identity = HOT
    house = House(tmp_path, first, second)
    await house.hear("Hello.")
    first.become(Phase.ABSENT)
    await house.hear("Hello.")
    assert house.speakers == "csm/anna from the cache"
    assert (first.asked, second.asked) == (["Hello."], [])


async def test_other_tasks_run_while_stored_sound_goes_out(
    house: House, csm: FakeEngine, cache: SentenceCache
) -> None:
    csm.frames = 50
    await house.hear("Long.")
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with aclosing(
        Fallback([csm], cache=cache).start_reply(ANNA).speak(Speak("Long."))
    ) as sound:
        await anext(sound)
        counting = asyncio.create_task(count())
        chunks = [pcm async for pcm in sound]
    counting.cancel()
    assert turns >= len(chunks) - 1 > 5


async def test_a_reply_by_the_system_voice_is_its_own(
    house: House, system: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """It makes a sentence as quickly as a disk reads one: it says nothing of itself."""
    caplog.set_level(logging.INFO)
    house.engines = (system,)
    for _ in range(2):
        await house.hear("Hello.")
    assert len(system.asked) == 2
    assert PICO in system.voices
