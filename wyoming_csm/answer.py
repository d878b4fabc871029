"""One text's answer: its text to sentences, sentences to sound, sound to whoever listens.

Every door has the same: Wyoming's, HTTP's, and the command line's.
"""

import asyncio
import logging
import math
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Protocol

import msgspec

from wyoming_csm.audio import NOTHING_SECONDS, SAMPLE_RATE, silence
from wyoming_csm.config import Config
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.engines.reply import Reply, sentences
from wyoming_csm.errors import EngineError, RequestError, reason_of
from wyoming_csm.lexicons import Lexicons
from wyoming_csm.sound.mixer import Mixer, SentenceSound
from wyoming_csm.sound.pacing import Outlet, Pacer, Speed
from wyoming_csm.text.joints import pause_at
from wyoming_csm.text.pieces import Joint, Pause, Piece, Speak, bounded
from wyoming_csm.text.reader import TextReader
from wyoming_csm.text.spoken.parts import in_parts
from wyoming_csm.text.stream import goes_on
from wyoming_csm.text_stream import TextStream
from wyoming_csm.voice_choice import VoiceRequest, choose_voice
from wyoming_csm.voices import Voice
from wyoming_csm.wording import Wording

_LOGGER = logging.getLogger(__name__)

SLICE = 250  # characters cut into sentences at a time, in 2 ms: the loop is never held for long
_STALL_SECONDS = 0.4  # without new text, after which a whole sentence does not wait for the next
# After a text's first character: if nothing can be said yet, its first words are, without their
# sentence's end, so that an engine has as long again to its first sound.
_HURRY_SECONDS = 2.0
_PAUSE_SLICE = SAMPLE_RATE  # samples of silence sent at a time
_TOLD = 5  # languages that no voice has, in one line of the log


class Listener(Outlet, Protocol):
    """What an answer's sound goes to."""

    @property
    def samples(self) -> int:
        """Count the samples that were sent."""

    @property
    def first_at(self) -> float | None:
        """The loop's time of the first of these."""

    async def drained(self) -> None:
        """Wait until little is unsent. Raises RequestError, ConnectionError."""

    async def surely_there(self) -> None:
        """Wait until it is known that somebody listens. Raises ConnectionError."""


@dataclass(frozen=True)
class Spoken:
    """What became of one answer, without a word of it.

    `speakers` are as `engine/voice`; `engine` is the one whose voice was asked for; seconds: of
    sound, from the text's first character to the first sound (None: there was none), of computing.
    So many sentences were looked for among the stored ones, and so many found.
    """

    whole: bool
    engine: str
    speakers: tuple[str, ...]
    sentences: int
    seconds: float
    first_seconds: float | None
    computing_seconds: float
    looked_for: int
    found: int


def _tell_nobody(spoken: Spoken) -> None:
    """Do nothing."""


async def _look_nowhere() -> None:
    """Know all voices."""


@dataclass(frozen=True)
class AnswerContext:
    """What all answers have in common; `tell` is told of each when it is over, `look` looks whether
    there are other voices by now."""

    config: Config
    engine: Fallback
    mixer: Mixer
    lexicons: Lexicons
    tell: Callable[[Spoken], None] = _tell_nobody
    look: Callable[[], Awaitable[None]] = _look_nowhere

    @classmethod
    def of(cls, config: Config, engine: Fallback) -> "AnswerContext":
        """Return one that knows nothing of the voices' sound, writes nothing of it down, and has
        the words of the configuration's files as they are now."""
        return cls(config, engine, Mixer(config.sound), Lexicons(config))

    async def choose(self, wanted: VoiceRequest) -> tuple[Voice | None, str]:
        """Choose as `choose_voice` does; a name that is not known may be new, and is looked for."""
        name = wanted.name
        if name is not None and all(voice.name != name for voice in self.engine.voices):
            await self.look()
        return choose_voice(self.engine.voices, wanted, self.config)

    def for_a_file(self) -> "AnswerContext":
        """Return the same for sound that nobody waits for: silence for a listener who does would
        only be in the way."""
        sound = msgspec.structs.replace(self.config.sound, fill_gaps=False, lead_in=0.0)
        return replace(self, config=msgspec.structs.replace(self.config, sound=sound))


class Answer:
    """Speaks one text to one listener.

    Pull: a sentence is asked for when little of the sound before it is unsent; it then runs at
    the engine's pace.
    """

    def __init__(
        self,
        text: TextStream,
        voice: Voice | None,
        listener: Listener,
        context: AnswerContext,
        *,
        ssml: bool = False,
        rate: float = 1.0,
        address: str,
    ) -> None:
        """Take the `rate` of all of it, so many times as fast as the voice and the text say, and
        the `address` of who asked: its sentences take turns with other clients'."""
        self._text = text
        self._rate = rate
        self._voice = voice
        self._listener = listener
        self._engine = context.engine
        self._mixer = context.mixer
        self._tell = context.tell
        self._address = address
        language = voice.language if voice else ""
        self._reader = TextReader(language, ssml=ssml, style=context.config.reading)
        self._began = asyncio.get_running_loop().time()
        self._pacer = Pacer(listener, context.config.sound, self._began)
        self._wording = Wording(voice, self._engine, context.lexicons, context.config)
        self._replies: dict[str, Reply] = {}  # by the voice's name; "": in the request's
        self._sentences = 0
        self.cut_because = "the client left"  # if it is cut off, and nothing here failed

    @property
    def stand_ins(self) -> list[tuple[Voice, list[str]]]:
        """Return the voices that others, as `engine/voice`, have spoken for."""
        replies = dict.fromkeys(self._replies.values())
        return [(reply.wanted, reply.stand_ins) for reply in replies if reply.stand_ins]

    async def run(self) -> None:
        """Speak the text to its end. Raises EngineError, RequestError, ConnectionError."""
        finished = False
        try:
            voice = self._voice
            if voice is None or self._engine.voice_for(voice) is None:
                raise EngineError("no engine here has a voice for this")
            self._replies[""] = self._engine.start_reply(voice, self._address)
            async with aclosing(self._pieces()) as pieces:
                async for piece in pieces:
                    await self._listener.drained()
                    if isinstance(piece, Pause):
                        await self._pause(piece.seconds)
                    else:
                        await self._speak(piece)
            if self._text.cut and not self._sentences:
                raise RequestError("the text is too long, and its beginning cannot be spoken")
            self._pacer.finish()
            if not self._listener.samples:
                self._listener.send(silence(NOTHING_SECONDS))
                self._listener.flush()
            finished = True
        finally:
            self.cut_because = reason_of(sys.exception()) or self.cut_because
            self._pacer.close()
            self._log("" if finished else f" ({self.cut_because})")
            for reply in set(self._replies.values()):
                await reply.aclose()

    async def _pieces(self) -> AsyncGenerator[Piece]:
        text, reader, before = self._text, self._reader, False
        while (more := await text.take(_STALL_SECONDS)) is not None:
            # A text that stalls (a language model at work) may have ended in a whole sentence.
            for piece in reader.flush() if not more else ():
                yield piece
            if more and before:  # in portions: it is being written, and was hardly said before
                self._replies[""].wake()  # already while its first sentence is not whole
            before = before or bool(more)
            for begin in range(0, len(more), SLICE):
                for piece in reader.push(more[begin : begin + SLICE]):
                    yield piece
                if begin:
                    await asyncio.sleep(0)  # nothing is waited for; others come between
            for piece in reader.hurry() if self._is_late else ():
                yield piece
        for piece in reader.break_off() if text.cut else reader.finish():
            yield piece
        if reader.silenced_by:
            _LOGGER.info("A text of %s is silent from %s on", self._address, reader.silenced_by)
        if unspoken := ", ".join(sorted(self._wording.unspoken)[:_TOLD]):
            _LOGGER.info("A text of %s asks for %s: no voice here has it", self._address, unspoken)

    @property
    def _is_late(self) -> bool:
        """Tell whether nothing was said yet of a text that began some time ago."""
        since = self._text.first_at
        now = asyncio.get_running_loop().time()
        return not self._sentences and since is not None and now - since >= _HURRY_SECONDS

    async def _pause(self, seconds: float) -> None:
        samples = round(seconds * SAMPLE_RATE)
        for begin in range(0, samples, _PAUSE_SLICE):
            self._pacer.pause(min(samples - begin, _PAUSE_SLICE))
            await self._listener.drained()

    def _reply_in(self, voice: Voice) -> Reply:
        """Return the reply in a voice: the request's, or what SSML asks for."""
        name = "" if voice == self._voice else voice.name
        if name not in self._replies:
            self._replies[name] = self._engine.start_reply(voice, self._address)
        return self._replies[name]

    async def _speak(self, sentence: Speak) -> None:
        self._sentences += 1
        voice = self._wording.voice_of(sentence)
        reply = self._reply_in(voice)
        before = sentence.before
        for words in in_parts(self._wording.words_of(sentence).text):
            await self._speak_words(replace(sentence, text=words, before=before), reply)
            before = Joint.PHRASE if goes_on(words) else Joint.SENTENCE

    async def _speak_words(self, sentence: Speak, reply: Reply) -> None:
        await self._listener.surely_there()
        words, manner = sentence.text, reply.wanted.manner
        rate = bounded(self._rate * manner.rate * sentence.rate)
        pause = pause_at(sentence.before, self._mixer.config, manner.pause)

        def begin() -> SentenceSound:
            self._pacer.begin(len(words), pause, rate, joined=sentence.before is Joint.PHRASE)
            return self._mixer.sentence(words, manner.gain + sentence.gain, manner.pause)

        mixed = begin()

        def drop() -> bool:
            nonlocal mixed
            can = not self._pacer.sounds
            mixed = begin() if can else mixed
            return can

        async with aclosing(reply.speak(replace(sentence, rate=rate), drop)) as chunks:
            async for pcm in chunks:
                speaker, stretch = reply.spoken_by, reply.stretch
                # What a disk gives tells nothing of the engine.
                speed = Speed(math.inf) if reply.recalled else self._mixer.speeds[speaker]
                ready = mixed.feed(pcm, reply.sounds_like, stretch)
                self._pacer.sound(ready, speed, len(pcm), stretch)
        self._pacer.end(mixed.end(), mixed.pause, mixed.tail)

    def _log(self, cut: str) -> None:
        """Write the one line of a reply; never its text."""
        seconds = self._listener.samples / SAMPLE_RATE
        replies = list(dict.fromkeys(self._replies.values()))
        computing = sum(reply.seconds for reply in replies)
        since = self._text.first_at or self._began
        first = None if (at := self._listener.first_at) is None else at - since
        speakers = ", and ".join(filter(None, (reply.speakers for reply in replies)))
        _LOGGER.info(
            "%s for %s%s%s: %s, %.1f s of sound, TTFA %s, RTF %s",
            "Cut off" if cut else "Spoken",
            self._address,
            cut,
            speakers and f" by {speakers}",
            sentences(self._sentences),
            seconds,
            "-" if first is None else f"{first * 1000:.0f} ms",
            f"{computing / seconds:.2f}" if computing and seconds else "-",
        )
        engine = self._voice.engine if self._voice else ""
        spoken_by = tuple(filter(None, (reply.spoken_by for reply in replies)))
        looked_for = sum(reply.recall.lookups for reply in replies)
        found = sum(reply.recall.found for reply in replies)
        said = not cut, engine, spoken_by, self._sentences
        self._tell(Spoken(*said, seconds, first, computing, looked_for, found))
