"""What a voice says in a quiet moment, before anybody hears it: in simulated time."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.fakes import FakeEngine, fake_voice
from tests.server.test_rates import Counting
from tests.simulated_time import simulate
from tests.sound.signals import parts, speech
from wyoming_csm.answer import Answer, AnswerContext
from wyoming_csm.audio import to_pcm
from wyoming_csm.config import Config, SoundConfig
from wyoming_csm.engines.base import Phase, Sentence
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.engines.likeness import sounds_like
from wyoming_csm.engines.looks import Looks
from wyoming_csm.lexicons import Lexicons
from wyoming_csm.rehearsal import QUIET_SECONDS, Rehearsal
from wyoming_csm.sound.mixer import Mixer
from wyoming_csm.text.pieces import Speak
from wyoming_csm.text_stream import TextStream
from wyoming_csm.voices import Clip, Voice
from wyoming_csm.worker.protocol import Identified

ANNA = fake_voice("anna")


class Soft(FakeEngine):
    """Says everything in five seconds, 14 dB too softly, a frame each 80 ms."""

    seconds = 5.0

    async def make(self, sentence: Sentence) -> AsyncGenerator[bytes]:
        for part in parts(speech(self.seconds, -34.0), 1_920):
            await asyncio.sleep(0.08)
            yield to_pcm(part)


class House:
    """Engines that nobody asks for anything, and the rehearsal."""

    def __init__(self, *engines: FakeEngine, loudness: float | None = -24.0) -> None:
        self.engine = Fallback(engines)
        self.mixer = Mixer(SoundConfig(loudness=loudness))
        self.voices: list[Voice] = [ANNA]
        self.rehearsal = Rehearsal(self.engine, self.mixer, lambda: self.voices)

    def gain(self, speaker: str) -> float | None:
        assert self.mixer.gains is not None
        return self.mixer.gains.of(speaker)

    async def wait(self, seconds: float) -> None:
        async with asyncio.timeout(seconds + 20):
            task = asyncio.create_task(self.rehearsal.run())
            await asyncio.sleep(seconds)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def test_a_quiet_while_after_the_start_the_voice_s_loudness_is_known() -> None:
    engine = Soft("csm", voices=(ANNA,))
    house = House(engine)

    async def scene() -> None:
        await house.wait(QUIET_SECONDS - 0.1)
        assert engine.asked == []
        await house.wait(100.0)

    simulate(scene())
    assert house.gain("csm/anna") == pytest.approx(10.0, abs=1.5)
    assert len(engine.asked) == 1, "once"
    assert engine.load.share == 0


def test_each_engine_that_is_ready_says_it_for_each_voice() -> None:
    first, second = Soft("csm", voices=(ANNA, fake_voice("ben"))), Soft("system")
    asleep = Soft("coqui")
    asleep.become(Phase.ASLEEP)
    house = House(first, asleep, second)
    house.voices.append(fake_voice("ben"))
    simulate(house.wait(200.0))
    for speaker in ("csm/anna", "csm/ben", "system/system_en"):
        assert house.gain(speaker) is not None
    assert not asleep.asked
    assert not asleep.woken
    assert first.most_speaking == 1


def test_an_answer_interrupts_it_and_is_waited_for() -> None:
    engine = Soft("csm", voices=(ANNA,), slots=1)
    house = House(engine)
    took: list[float] = []

    async def answer() -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(QUIET_SECONDS + 1.0)
        began, reply = loop.time(), house.engine.start_reply(ANNA)
        async for _ in reply.speak(Speak("It is on.")):
            took.append(loop.time() - began)
        await asyncio.sleep(QUIET_SECONDS * 2)  # the answer has more to say
        assert house.gain("csm/anna") is None
        await reply.aclose()

    async def scene() -> None:
        await asyncio.gather(house.wait(150.0), answer())

    simulate(scene())
    assert took[0] == pytest.approx(0.08), "no slot is taken from it"
    assert [text == "It is on." for text in engine.asked] == [False, True, False]
    assert engine.cancelled == engine.asked[:1]
    assert house.gain("csm/anna") is not None


def test_another_recording_of_its_name_is_another_voice() -> None:
    def anna(content: str) -> Voice:
        return replace(ANNA, clips=(Clip("clip.wav", "Words.", content=content),))

    engine = Soft("csm", voices=(anna("one"),))
    house = House(engine)
    house.voices = list(engine.voices)

    async def scene() -> None:
        await house.wait(100.0)
        first = await sounds_like(engine, anna("one"), Looks())
        second = await sounds_like(engine, anna("two"), Looks())
        assert house.gain(first) == pytest.approx(10.0, abs=1.5)
        assert house.gain(second) is None
        engine.have_voices(anna("two"))
        house.voices = list(engine.voices)
        await house.wait(100.0)
        assert house.gain(second) == pytest.approx(10.0, abs=1.5)

    simulate(scene())
    assert len(engine.asked) == 2


def test_what_a_listener_hears_tells_of_that_voice() -> None:
    voice = replace(ANNA, clips=(Clip("clip.wav", "Words.", content="one"),))
    engine = Soft("csm", voices=(voice,))
    house = House(engine)

    async def scene() -> None:
        text = TextStream(100, print)
        text.feed("It is on.")
        text.end()
        config = Config()
        context = AnswerContext(config, house.engine, house.mixer, Lexicons(config))
        await Answer(text, voice, Counting(), context, address="test").run()
        assert house.gain(await sounds_like(engine, voice, Looks())) == pytest.approx(10.0, abs=1.5)
        assert house.gain("csm/anna") is None

    simulate(scene())


async def test_a_speaker_that_said_something_else_first_is_another_voice(tmp_path: Path) -> None:
    file = tmp_path / "0.json"
    speaker = replace(fake_voice("speaker_0"), speaker="0")
    engine, looks = Soft("csm", voices=(speaker,)), Looks()
    assert await sounds_like(engine, speaker, looks) == "csm/speaker_0"
    engine.identity = Identified("", (str(file),))
    assert await sounds_like(engine, speaker, looks) == "csm/speaker_0", "it has said nothing yet"
    marks = set()
    for content in ("a calm sentence", "another one", "a calm sentence"):
        file.write_text(content)
        marks.add(await sounds_like(engine, speaker, looks))
    assert len(marks) == 2
    assert all(mark.startswith("csm/speaker_0 ") for mark in marks)


@pytest.mark.parametrize("what", ["fails", "is short", "is of another language", "is as it is"])
def test_what_cannot_be_measured_is_asked_for_once_or_never(what: str) -> None:
    engine = Soft("csm", voices=(ANNA,), fail_after=0)
    make: dict[str, Callable[[], None]] = {
        "fails": lambda: setattr(engine, "make", FakeEngine(fail_after=0).make),
        "is short": lambda: setattr(engine, "seconds", 0.3),
        "is of another language": lambda: engine.have_voices(fake_voice("anna", language="ja")),
        "is as it is": lambda: None,
    }
    make[what]()
    house = House(engine, loudness=None if what == "is as it is" else -20.0)
    if what == "is of another language":
        house.voices = list(engine.voices)
    simulate(house.wait(200.0))
    assert len(engine.asked) == (what in ("fails", "is short"))
    if house.mixer.gains is not None:
        assert house.gain("csm/anna") is None
