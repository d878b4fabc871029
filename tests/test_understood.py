"""A speech recogniser understands the sound that a Wyoming client gets of the system voice."""

import pytest
from wyoming.audio import AudioChunk
from wyoming.tts import (
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeStopped,
    SynthesizeVoice,
)

from benchmarks.fixtures import recogniser
from benchmarks.fixtures.recogniser import Recogniser, word_errors, words
from tests.server.clients import library_client
from wyoming_csm.answer import AnswerContext
from wyoming_csm.audio import silence
from wyoming_csm.config import Config
from wyoming_csm.engines.base import Phase
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.engines.system import system_engine
from wyoming_csm.server.listener import Server
from wyoming_csm.worker.system.languages import HIBARI, find_synthesisers

MOST_ERRORS = {"system_en-US": 0.02, "system_pico_en-US": 0.05}  # of all words
AROUND = silence(0.5)  # the recogniser expects a recording, which begins and ends in silence
SENTENCES = """
The washing machine has finished.
The front door is locked.
It is twenty degrees in the living room.
Good morning, the kitchen lights are on.
Someone is at the front door.
The timer for the pasta is done.
Tomorrow it will rain in the afternoon.
I turned off all the lights upstairs.
The garage door is still open.
Your next meeting starts in ten minutes.
The dishwasher needs more salt.
I have added milk and bread to your shopping list.
The heating is set to twenty degrees.
There is motion in the garden.
The battery of the smoke detector is low.
Your package was delivered this morning.
The bedroom window has been open for an hour.
Good night, all doors are closed.
The vacuum cleaner is stuck under the sofa.
Playing music in the kitchen.
The water leak sensor in the basement is wet.
The sun sets at half past eight tonight.
Sorry, I could not find a device called lamp.
The alarm is now armed.
Your train leaves in fifteen minutes.
The oven has reached its temperature.
Please close the fridge.
The children arrived home from school.
It is cloudy outside and a little cold.
The car is fully charged.
The coffee machine is ready.
I will remind you to water the plants at six.
The blinds in the office are closed.
You have two new messages from your mother.
The power went out for three minutes last night.
The dryer will be done in twenty minutes.
The bathroom fan has been turned on.
Do not forget to take out the trash.
The guest network is now enabled.
The internet connection is back.
"""


needs_recogniser = pytest.mark.skipif(bool(recogniser.missing()), reason=recogniser.missing())


@pytest.mark.slow
@needs_recogniser
@pytest.mark.parametrize("each", [4, pytest.param(1, marks=pytest.mark.weekly)])
@pytest.mark.parametrize("voice", MOST_ERRORS)
async def test_home_sentences_are_understood(voice: str, each: int) -> None:
    sentences = SENTENCES.split("\n")[1:-1:each]
    assert await errors_of(voice, sentences) <= MOST_ERRORS[voice]


@pytest.mark.slow
@needs_recogniser
@pytest.mark.parametrize("each", [8, pytest.param(2, marks=pytest.mark.weekly)])
@pytest.mark.parametrize("rate", [0.75, 1.5])
async def test_slower_and_faster_speech_is_understood(rate: float, each: int) -> None:
    """Slower by the voice itself, faster by stretching its sound."""
    sentences = SENTENCES.split("\n")[1:-1:each]
    markup = f"<speak><prosody rate='{rate}'>{{}}</prosody></speak>"
    assert await errors_of("system_en-US", sentences, markup) <= 0.04


async def errors_of(voice: str, sentences: list[str], markup: str = "{}") -> float:
    """Return the share of words that are not understood."""
    if voice == "system_en-US" and HIBARI not in find_synthesisers():
        pytest.skip("Hibari is not installed: it has no wheel for every machine")
    listener = Recogniser()
    config = Config(uri="tcp://127.0.0.1:0", engines=("system",))
    engine = Fallback([system_engine(config)])
    await engine.start()
    try:
        await engine.wait_loaded()
        assert engine.status.phase is Phase.READY
        said, misunderstood, errors = 0, [], 0
        for sentence in sentences:
            sound = await streamed(config, engine, markup.format(sentence), voice)
            understood = listener.transcribe(AROUND + sound + AROUND)
            said += len(words(sentence))
            wrong = word_errors(words(sentence), words(understood))
            errors += wrong
            if wrong:
                misunderstood.append(understood)
    finally:
        await engine.stop()
    print(f"word error rate {errors}/{said} = {errors / said:.1%}; misunderstood: {misunderstood}")
    return errors / said


async def streamed(config: Config, engine: Fallback, text: str, voice: str) -> bytes:
    """Return the sound for the library's client, which sends the text word by word."""
    pcm = b""
    async with (
        Server(config, AnswerContext.of(config, engine)) as server,
        library_client(server) as client,
    ):
        await client.write_event(SynthesizeStart(voice=SynthesizeVoice(name=voice)).event())
        for word in text.split(" "):
            await client.write_event(SynthesizeChunk(f"{word} ").event())
        await client.write_event(SynthesizeStop().event())
        while (event := await client.read_event()) is not None:
            if AudioChunk.is_type(event.type):
                pcm += AudioChunk.from_event(event).audio
            if SynthesizeStopped.is_type(event.type):
                return pcm
    raise AssertionError("the connection ended before synthesize-stopped")
