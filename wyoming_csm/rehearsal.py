"""In quiet moments a voice says a few words that are sent nowhere: how loud it is is known then.

So the first sentence that a listener gets of it is as loud as all others. It needs an engine that
is ready, and gives way to any answer: nobody waits for it longer than for its next part.
"""

import asyncio
import itertools
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from wyoming_csm.audio import from_pcm
from wyoming_csm.engines.base import Engine, Phase, Sentence
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.engines.likeness import sounds_like
from wyoming_csm.errors import EngineError
from wyoming_csm.sound.loudness import Meter
from wyoming_csm.sound.mixer import WORTH_LEARNING, Mixer
from wyoming_csm.voices import Voice
from wyoming_csm.within import within

_LOGGER = logging.getLogger(__name__)

QUIET_SECONDS = 10.0  # without an answer, before
LOOK_SECONDS = 60.0  # between two looks: what a speaker sounds like changes without a word
# Calm, and of several sentences: one alone may be 1 LU louder or softer than the voice usually is.
TEXTS = {
    "en": "The front door is locked. It is twenty degrees in the living room. Nothing else is on.",
    "de": "Die Haustür ist zu. Im Wohnzimmer sind es zwanzig Grad. Sonst ist nichts an.",
    "fr": "La porte est fermée. Il fait vingt degrés dans le salon. Tout le reste est éteint.",
    "es": "La puerta está cerrada. Hay veinte grados en el salón. Lo demás está apagado.",
    "it": "La porta è chiusa. Ci sono venti gradi in salotto. Tutto il resto è spento.",
    "nl": "De voordeur is dicht. Het is twintig graden in de woonkamer. Verder is alles uit.",
}


class Rehearsal:
    """Learns how loud voices are, one after the other."""

    def __init__(
        self,
        engine: Fallback,
        mixer: Mixer,
        wanted: Callable[[], Sequence[Voice]],
        quiet_seconds: float = QUIET_SECONDS,
    ) -> None:
        """Take what gives the voices that are worth it, the most important first."""
        self._engines, self._looks = engine.engines, engine.looks
        self._mixer = mixer
        self._wanted = wanted
        self._quiet_seconds = quiet_seconds
        self._numbers = itertools.count(-1, -1)  # others' sentences and replies count from 1 on
        self._done: set[str] = set()  # as they sound; the loudness of some stays unknown
        self._news = asyncio.Event()
        self._answering = asyncio.Event()
        engine.on_answer(self._answer_begins)
        for one in self._engines:
            one.subscribe(self._news.set, self._news.set)

    async def run(self) -> None:
        """Do so for ever, or not at all where voices stay as loud as they are."""
        while self._mixer.gains is not None:
            self._news.clear()
            self._answering.clear()
            await asyncio.sleep(self._quiet_seconds)
            if self._answering.is_set() or any(one.load.share for one in self._engines):
                continue
            if not await self.rehearse():
                await within(LOOK_SECONDS, self._news.wait())

    async def rehearse(self) -> bool:
        """Let one voice speak; return whether there was one to be measured."""
        async with aclosing(self._unknown()) as unknown:
            found = await anext(unknown, None)
        if found is not None:
            await self._say(*found)
        return found is not None

    def _answer_begins(self) -> None:
        self._answering.set()
        self._news.set()

    async def _unknown(self) -> AsyncGenerator[tuple[Engine, Voice, str, str]]:
        """Go through the voices that can be measured now, each as it sounds, and with its text."""
        for voice in self._wanted():
            for engine in self._engines:
                own = engine.voice_for(voice) if engine.status.phase is Phase.READY else None
                text = TEXTS.get(own.language.partition("-")[0]) if own else None
                if own is None or text is None:
                    continue
                if self._is_unknown(speaker := await sounds_like(engine, own, self._looks)):
                    yield engine, own, speaker, text

    def _is_unknown(self, speaker: str) -> bool:
        gains = self._mixer.gains
        return speaker not in self._done and gains is not None and gains.of(speaker) is None

    async def _say(self, engine: Engine, voice: Voice, speaker: str, text: str) -> None:
        """Let it say the text, unless an answer begins meanwhile."""
        number, reply = next(self._numbers), next(self._numbers)
        sentence = Sentence(number, reply, "", text, voice, self._news.set)
        try:
            engine.say(sentence)
            while not sentence.over and not self._answering.is_set():
                self._news.clear()
                await self._news.wait()
        except EngineError as error:
            sentence.fault = error
        finally:
            engine.take_back(sentence)
            engine.end_reply(reply)
        if self._answering.is_set() and not sentence.over:
            return
        self._done.add(speaker)
        if sentence.fault is None:
            self._learn(speaker, sentence)

    def _learn(self, speaker: str, sentence: Sentence) -> None:
        meter = Meter()
        meter.feed(from_pcm(b"".join(sentence.sound)))
        loudness = meter.loudness
        if self._mixer.gains and loudness is not None and meter.seconds >= WORTH_LEARNING:
            self._mixer.gains.learn(speaker, loudness)
            _LOGGER.debug("%s has %.1f LUFS", speaker, loudness)
