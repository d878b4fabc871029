"""What a child says of itself and of its sentences, and what is found once it sleeps."""

import asyncio
from pathlib import Path

from benchmarks.fixtures.fake_child import CODES
from tests.engines.helpers import VOICES, Make, speak, started, until
from wyoming_csm.config import CacheConfig
from wyoming_csm.engines.base import Phase, Sentence
from wyoming_csm.engines.child_engine import ChildEngine
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.engines.sentence_cache import SentenceCache
from wyoming_csm.worker.protocol import Identified


async def asked(engine: ChildEngine) -> Sentence:
    news = asyncio.Event()
    sentence = Sentence(1, 1, "", "Hello.", VOICES[0], news.set)
    engine.say(sentence)
    while not sentence.over:
        await news.wait()
        news.clear()
    return sentence


async def test_a_sentence_is_whole_if_its_child_says_so(make: Make) -> None:
    engine = make(identity="a model")
    assert engine.identity is None
    await started(engine)
    assert engine.identity == Identified("a model")
    sentence = await asked(engine)
    assert (sentence.whole, sentence.codes) == (True, CODES)


async def test_a_child_need_not_say_what_it_is(make: Make) -> None:
    engine = await started(make())
    sentence = await asked(engine)
    assert (engine.identity, sentence.whole, sentence.codes) == (None, False, b"")


async def test_what_it_is_is_known_while_it_sleeps(make: Make, tmp_path: Path) -> None:
    engine = await started(make(identity="a model", idle_seconds=0.05))
    cache = SentenceCache(tmp_path, CacheConfig())
    house = Fallback([engine], cache=cache)
    replies = [house.start_reply(VOICES[0]) for _ in range(2)]
    made = await speak(replies[0])
    await replies[0].aclose()
    await cache.close()
    await until(engine, lambda: engine.status.phase is Phase.ASLEEP)
    assert b"".join(await speak(replies[1])) == b"".join(made)
    assert engine.status.phase is Phase.ASLEEP
    assert replies[1].recalled
