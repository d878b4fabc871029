"""A text that stalls, as when a language model stops to use a tool."""

import asyncio

import pytest
from wyoming.tts import SynthesizeChunk, SynthesizeStart, SynthesizeStop

from tests.fakes import FakeEngine
from tests.server.clients import peer, serving, types
from tests.simulated_time import simulate
from wyoming_csm.answer import Answer, AnswerContext
from wyoming_csm.config import Config
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.text_stream import TextStream


async def test_a_whole_sentence_is_spoken_before_the_text_goes_on() -> None:
    engine = FakeEngine()
    async with serving(engine) as server, peer(server) as client:
        await client.send(SynthesizeStart().event(), SynthesizeChunk("Let me check.").event())
        assert types(await client.until("audio-chunk")) == ["audio-start", "audio-chunk"]
        assert engine.asked == ["Let me check."]
        await client.send(
            SynthesizeChunk(" The door is").event(), SynthesizeChunk(" open.").event()
        )
        await client.send(SynthesizeStop().event())
        assert types(await client.until("synthesize-stopped")) == [
            "audio-chunk",
            "audio-stop",
            "synthesize-stopped",
        ]
    assert engine.asked == ["Let me check.", "The door is open."]


class Waiting:
    """A listener that takes all, in simulated time."""

    full, samples = False, 0
    first_at: float | None = None

    def send(self, pcm: bytes) -> None:
        if self.first_at is None:
            self.first_at = asyncio.get_running_loop().time()
        self.samples += len(pcm) // 2

    def flush(self) -> None: ...

    async def drained(self) -> None: ...

    async def surely_there(self) -> None: ...


@pytest.mark.parametrize(
    ("portions", "first", "asked"),
    [
        (  # seconds, and what comes then
            [(0, "Hello there, "), (3, "this is a word "), (6, "and the end. Good it is.")],
            (2.0, 2.5),
            ["Hello there,", "this is a word and the end.", "Good it is."],
        ),
        (
            [(0, "The weather "), (3, "in Berlin is fine. "), (6, "And so on.")],
            (2.0, 2.5),
            ["The weather", "in Berlin is fine.", "And so on."],
        ),
        (
            [
                (0.3, f"{word} ")
                for word in ["One", "by", "one", "the", "words", "come", "of", "a", "slow", "model"]
            ],
            (2.3, 2.5),
            ["One by one the words come of", "a slow model"],
        ),
        (
            [(0, "Hello there, "), (1.5, "this is a word. "), (6, "And, so, on.")],
            (1.9, 2.0),
            ["Hello there, this is a word.", "And, so, on."],
        ),
    ],
)
def test_the_first_words_come_in_time_however_the_text_stalls(
    portions: list[tuple[float, str]], first: tuple[float, float], asked: list[str]
) -> None:
    engine, listener = FakeEngine(), Waiting()

    async def scene() -> None:
        config = Config()
        house = Fallback([engine])
        text = TextStream(1_000, print)
        context = AnswerContext.of(config, house)
        answer = Answer(text, house.voices[0], listener, context, address="test")
        speaking = asyncio.ensure_future(answer.run())
        for seconds, words in portions:
            await asyncio.sleep(seconds)
            text.feed(words)
        text.end()
        await speaking

    simulate(scene())
    assert engine.asked == asked
    assert listener.first_at is not None
    assert first[0] <= listener.first_at <= first[1]
