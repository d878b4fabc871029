"""What was said before, as a client gets it: at once, the same, and its engine sleeps on."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from wyoming.event import Event
from wyoming.ping import Ping
from wyoming.tts import SynthesizeChunk, SynthesizeStart, SynthesizeStop

from tests.fakes import FakeEngine
from tests.server.clients import audio, eventually, peer, say, serving
from wyoming_csm.config import CacheConfig, SoundConfig
from wyoming_csm.engines.base import Phase
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.engines.sentence_cache import SentenceCache
from wyoming_csm.server.listener import Server
from wyoming_csm.worker.protocol import Identified

LIGHTS = "Turned on the kitchen lights"
SOUNDS = [SoundConfig(), SoundConfig(fill_gaps=False), SoundConfig(loudness=None)]


@pytest.fixture
def engine() -> FakeEngine:
    made = FakeEngine(frames=20)
    made.identity = Identified("a model")
    return made


@pytest.fixture
async def stored(tmp_path: Path, engine: FakeEngine) -> AsyncIterator[SentenceCache]:
    """A cache that has the sentence, in a server that starts anew."""
    before = SentenceCache(tmp_path, CacheConfig())
    async with serving(Fallback([engine], cache=before)) as server:
        await heard(server, say(LIGHTS))
    await before.close()
    cache = SentenceCache(tmp_path, CacheConfig())
    yield cache
    await cache.close()


async def heard(server: Server, *events: Event, until: str = "audio-stop") -> bytes:
    async with peer(server) as client:
        await client.send(*events)
        return audio(await client.until(until))


def streamed(*chunks: str) -> list[Event]:
    """As Home Assistant sends it: the whole text comes again before the end."""
    deltas = [SynthesizeChunk(chunk).event() for chunk in chunks]
    return [SynthesizeStart().event(), *deltas, say("".join(chunks)), SynthesizeStop().event()]


@pytest.mark.parametrize("sound", SOUNDS, ids=["as usual", "at once", "as made"])
async def test_it_is_the_same_in_all_that_the_server_does_to_it(
    engine: FakeEngine, tmp_path: Path, sound: SoundConfig
) -> None:
    cache = SentenceCache(tmp_path, CacheConfig())
    async with serving(Fallback([engine]), sound=sound) as server:
        plain = await heard(server, say(LIGHTS))
    async with serving(Fallback([engine], cache=cache), sound=sound) as server:
        made = await heard(server, say(LIGHTS))
    await cache.close()
    cache = SentenceCache(tmp_path, CacheConfig())
    async with serving(Fallback([engine], cache=cache), sound=sound) as server:
        found = await heard(server, say(LIGHTS))
    await cache.close()
    assert plain == made == found
    assert len(engine.asked) == 2


@pytest.mark.parametrize("stream", [False, True])
async def test_it_lets_the_engine_sleep(
    engine: FakeEngine, stored: SentenceCache, stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    engine.become(Phase.ASLEEP)
    async with serving(Fallback([engine], cache=stored)) as server:
        events = streamed(LIGHTS) if stream else [say(LIGHTS)]
        assert await heard(server, *events)
    assert engine.woken == 0
    assert "by fake/fake_en from the cache: 1 sentence" in caplog.text


async def test_a_text_that_is_still_written_wakes_it_before_its_first_sentence_is_whole(
    engine: FakeEngine, stored: SentenceCache
) -> None:
    engine.become(Phase.ASLEEP)
    async with serving(Fallback([engine], cache=stored)) as server, peer(server) as client:
        await client.send(SynthesizeStart().event())
        for part in ("The ", "wea", "ther"):
            woken_before = engine.woken
            await client.send(SynthesizeChunk(part).event(), Ping().event())
            await client.until("pong")
            assert woken_before == 0 or part == "ther", "not by the first portion"
        await eventually(lambda: engine.woken == 1)
    assert engine.asked == [LIGHTS]
