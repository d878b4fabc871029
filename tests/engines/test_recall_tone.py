"""A reply from the cache has one tone: each sentence after the very one that it followed."""

from pathlib import Path

import pytest

from tests.engines.helpers import ANNA, speak
from tests.engines.repeating import HOT, House, stored
from tests.fakes import FakeEngine
from wyoming_csm.engines.base import Phase
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.engines.sentence_cache import SentenceCache
from wyoming_csm.worker.protocol import Said


async def test_the_next_sentence_goes_on_from_it(house: House, csm: FakeEngine) -> None:
    """Its engine is told what the listener got, once."""
    await house.hear("One.", "Two.")
    assert csm.replies[-1].said == []
    await house.hear("One.", "Two.", "Three.", "Four.")
    assert house.speakers == "csm/anna from the cache (2 sentences), then csm/anna (2)"
    assert csm.replies[-1].texts == ["Three.", "Four."]
    assert csm.replies[-1].said == [Said("One.", b"codes"), Said("Two.", b"codes")]


async def test_a_sentence_is_found_only_after_the_very_one_that_it_followed(
    house: House, csm: FakeEngine
) -> None:
    await house.hear("One.", "Two.")
    await house.hear("Two.")
    assert csm.asked == ["One.", "Two.", "Two."]
    await house.hear("Other.", "Two.")
    assert csm.asked[3:] == ["Other.", "Two."]
    await house.hear("One.", "Two.")
    assert len(csm.asked) == 5
    await house.hear("One.", "New.", "Two.")
    assert csm.asked[5:] == ["New.", "Two."]


async def test_after_what_is_not_stored_nothing_is(house: House, csm: FakeEngine) -> None:
    """The engine's next sentence depends on that, and it is not in the key."""
    csm.whole = False
    await house.hear("One.")
    for _ in range(2):
        csm.asked.clear()
        reply = ["One.", "Two."]
        await house.hear(*reply)
        assert csm.asked == reply
        csm.whole = True
    csm.asked.clear()
    await house.hear("One.", "Two.")
    assert csm.asked == []


@pytest.mark.parametrize(
    ("characters", "asked"),
    [(4, ["Two.", "Three."]), (8, ["Three."]), (3, ["One.", "Two.", "Three."])],
)
async def test_only_the_beginning_of_a_long_reply_is_stored(
    tmp_path: Path, csm: FakeEngine, characters: int, asked: list[str]
) -> None:
    csm.identity = HOT
    house = House(tmp_path, csm, characters=characters)
    await house.hear("One.", "Two.", "Three.")
    csm.asked.clear()
    await house.hear("One.", "Two.", "Three.")
    assert csm.asked == asked


async def test_what_another_replica_went_on_with_is_not_what_followed(
    tmp_path: Path, cache: SentenceCache
) -> None:
    """It was not told what the first one said."""
    first, second = (FakeEngine("csm", voices=(ANNA,)) for _ in range(2))
    for one in (first, second):
        one.identity = HOT
    reply = Fallback([first, second], cache=cache).start_reply(ANNA)
    await speak(reply, "One.")
    first.become(Phase.ABSENT)
    await speak(reply, "Two.")
    assert second.asked == ["Two."]
    await reply.aclose()
    await cache.close()
    assert stored(tmp_path) == 1


async def test_what_follows_a_sentence_that_is_not_stored_begins_no_reply(
    house: House, csm: FakeEngine, cache: SentenceCache
) -> None:
    reply = Fallback([csm], cache=cache).start_reply(ANNA)
    csm.whole = False
    await speak(reply, "One.")
    csm.whole = True
    await speak(reply, "Two.")
    await reply.aclose()
    await cache.close()
    await house.hear("Two.")
    assert csm.asked == ["One.", "Two.", "Two."]
