"""What the engines' tests share: voices, a reply's sound, and how to wait for an engine."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from tests.fakes import fake_voice
from wyoming_csm.engines.base import Engine, Sentence
from wyoming_csm.engines.child_engine import ChildEngine
from wyoming_csm.engines.reply import Reply
from wyoming_csm.text.pieces import Speak
from wyoming_csm.voices import Voice

VOICES = (fake_voice("anna", "en-GB"), fake_voice("bert", "en_US"), fake_voice("carl", "de"))

# Of the three fake engines, by the name of each: csm, coqui, system.
ANNA = fake_voice("anna", "en", "csm")
LJ = fake_voice("lj", "en", "coqui")
PICO = fake_voice("pico", "en-US", "system")
HANS = fake_voice("hans", "de-DE", "system")

NUMBERS = itertools.count(1)

Make = Callable[..., ChildEngine]


async def started(engine: ChildEngine) -> ChildEngine:
    await engine.start()
    async with asyncio.timeout(60):
        await engine.wait_loaded()
    return engine


class OneEngine:
    """Sentences of one answer, asked of one engine: nothing is tried twice or elsewhere."""

    def __init__(self, engine: Engine, voice: Voice) -> None:
        self._engine, self._voice = engine, voice
        self._reply = next(NUMBERS)

    async def speak(self, piece: Speak) -> AsyncGenerator[bytes]:
        news = asyncio.Event()
        number = next(NUMBERS)
        sentence = Sentence(number, self._reply, "", piece.text, self._voice, news.set, piece.rate)
        self._engine.say(sentence)
        try:
            while sentence.sound or not sentence.over:
                await news.wait()
                news.clear()
                while sentence.sound:
                    yield sentence.sound.popleft()
        finally:
            self._engine.take_back(sentence)
        if sentence.fault is not None:
            raise sentence.fault

    async def aclose(self) -> None:
        self._engine.end_reply(self._reply)


async def speak(
    reply: Reply | OneEngine, text: str = "Hello.", into: list[bytes] | None = None
) -> list[bytes]:
    received = [] if into is None else into
    async with asyncio.timeout(60), aclosing(reply.speak(Speak(text))) as sound:
        async for pcm in sound:
            received.append(pcm)
    return received


async def until(engine: ChildEngine, true: Callable[[], bool]) -> None:
    changed = asyncio.Event()
    engine.subscribe(changed.set)
    async with asyncio.timeout(60):
        while not true():
            changed.clear()
            await changed.wait()
