"""Coqui TTS in its child process: a model for each language, a sentence at a time."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial

import msgspec
from msgspec.structs import replace

from wyoming_csm.audio import SAMPLE_RATE, Samples, to_pcm
from wyoming_csm.config import CoquiConfig
from wyoming_csm.errors import EngineError, EngineUnavailable
from wyoming_csm.text.scripts import Run, letters_outside, scripts_of
from wyoming_csm.voices import Voice
from wyoming_csm.worker.coqui.exported import ExportedModel
from wyoming_csm.worker.coqui.files import Progress
from wyoming_csm.worker.coqui.models import Model, Models
from wyoming_csm.worker.protocol import Configure
from wyoming_csm.worker.strange_words import LeftOut, Say, say_each
from wyoming_csm.worker.system.espeak_ng import find_command
from wyoming_csm.worker.system.languages import espeak_code
from wyoming_csm.worker.system.speaker import Espeak

_LOGGER = logging.getLogger(__name__)

# A first text loads what later ones use, and so does the first number, time or amount (coqui-tts
# imports a library for over a second to put them into words) and the first text in the letters of
# a language. So that no listener waits for it, each voice reads and each model says some of each.
_TO_READ = "{0} 7:45 pm, 21.5, 2nd, $12.50, £1,000, -3, 2026, 100 %, 20 °C."
_TO_SAY = "{0}, {0}, 7:45, 21."
_TO_SAY_EXPORTED = "{0}."  # a third of a second less, and the next sentence is as quick
_GREETINGS = {
    "ar": "مرحبا",
    "be": "Прывітанне",
    "bg": "Здравей",
    "bn": "হ্যালো",
    "el": "Γεια σας",
    "fa": "سلام",
    "hi": "नमस्ते",
    "ja": "こんにちは",
    "ko": "안녕하세요",
    "ru": "Привет",
    "uk": "Привіт",
    "zh": "你好",
}
_LATIN_GREETING = "Hallo"  # for all others: nothing depends on the word


@dataclass(frozen=True)
class LoadedVoice:
    """A voice and the model that speaks for it."""

    voice: Voice
    model: Model
    language: str | None  # as a multilingual model calls it


def load(configure: Configure, progress: Progress) -> "CoquiSpeaker":
    """Load the model of every voice; what cannot be had is left out with a warning. Raises
    EngineUnavailable if nothing is left."""
    settings = msgspec.convert(configure.settings, CoquiConfig)
    models = Models(configure, settings, progress)
    model = cache(models.load)  # one that serves several languages is loaded once
    loaded: dict[str, LoadedVoice] = {}
    absent: dict[str, EngineUnavailable] = {}
    for voice in configure.voices:
        try:
            name = settings.checkpoint or settings.models[voice.language]
            loaded[voice.name] = _with_model(voice, model(name))
        except EngineUnavailable as error:
            absent[voice.name] = error
    if not loaded:
        nothing = EngineUnavailable("no model is named", "set coqui.models")
        raise next(iter(absent.values()), nothing)
    for absentee, why in absent.items():
        _LOGGER.warning("%s is left out: %s", absentee, why)
    return CoquiSpeaker(loaded, absent, models.device, models.identity)


def _with_model(voice: Voice, model: Model) -> LoadedVoice:
    language = matching(voice.language, model.languages)
    if model.languages and language is None:
        raise EngineUnavailable(
            f"{model.name} does not speak {voice.language!r}",
            f"its languages are {', '.join(model.languages)}",
        )
    model.read(_TO_READ.format(_greeting(voice)), language)
    return LoadedVoice(replace(voice, speakers=model.speakers, rates=model.speeds), model, language)


class CoquiSpeaker:
    """The speaker of the sentence loop: each voice by its model."""

    def __init__(
        self,
        loaded: dict[str, LoadedVoice],
        absent: dict[str, EngineUnavailable],
        device: str,
        identity: str = "",
    ) -> None:
        self._loaded = loaded
        self._absent = absent
        self._left_out = LeftOut(_LOGGER, ", or says them wrong")
        left_out = f"; left out: {', '.join(absent)}" if absent else ""
        self.detail = f"{', '.join(loaded)} on {device}{left_out}"
        self.identity = identity
        self.voices = tuple(one.voice for one in loaded.values())
        firsts = {one.model: one.voice for one in reversed(loaded.values())}
        self.warm_up: Sequence[tuple[str, Voice]] = [
            (_first_words(voice, model), voice) for model, voice in firsts.items()
        ]

    def say(self, text: str, voice: Voice, rate: float = 1.0) -> Iterator[bytes]:
        """Make the sound as 24 kHz mono s16le. Raises EngineError, or what the model raises."""
        one = self._loaded.get(voice.name)
        if one is None:
            raise self._absent.get(voice.name) or EngineError(f"there is no voice {voice.name!r}")
        alphabet = one.model.alphabet
        plain = alphabet.readable(text) if alphabet else text
        return say_each(
            plain,
            partial(_unknown, model=one.model, language=voice.language),
            partial(_said, one=one, speaker=voice.speaker, rate=rate),
            partial(self._other, own=one, voice=voice, rate=rate),
            partial(self._left_out.tell, one.model.name),
        )

    def _other(self, run: Run, own: LoadedVoice, voice: Voice, rate: float) -> Say | None:
        """Find what speaks words that a voice cannot: its model in another language, another
        model, eSpeak NG."""
        language = run.language or voice.language
        if run.language and (name := matching(language, own.model.languages)) is not None:
            return partial(
                _said, one=LoadedVoice(own.voice, own.model, name), speaker=voice.speaker, rate=rate
            )
        for one in self._loaded.values():
            speaks = matching(language, [one.voice.language]) is not None
            if speaks and not _unknown(run.text, one.model, language):
                return partial(_said, one=one, speaker=one.voice.speaker, rate=rate)
        code = espeak_code(language)
        if code is None or letters_outside(run.text, scripts_of(language)) or not find_command():
            return None
        return partial(Espeak().say, language=code, rate=rate)


def _said(text: str, one: LoadedVoice, speaker: str, rate: float) -> Iterator[bytes]:
    return to_24k(one.model.say(text, speaker, one.language, rate), one.model.rate)


def _unknown(text: str, model: Model, language: str) -> str:
    """Return the letters of `text` that a model has not learnt in this language."""
    if model.alphabet is not None:
        return model.alphabet.lacks(text)
    return letters_outside(text, scripts_of(language))


def _first_words(voice: Voice, model: Model) -> str:
    words = _TO_SAY_EXPORTED if isinstance(model, ExportedModel) else _TO_SAY
    return words.format(_greeting(voice))


def _greeting(voice: Voice) -> str:
    primary = voice.language.replace("_", "-").partition("-")[0].lower()
    return _GREETINGS.get(primary, _LATIN_GREETING)


def matching(code: str, known: Sequence[str]) -> str | None:
    """Find what a model calls the language of a code: for `pt_BR` that is `pt-br`, or else `pt`."""
    wanted = code.replace("_", "-").lower()
    for fits in (wanted, wanted.partition("-")[0]):
        for name in known:
            if fits in (name.lower(), name.lower().partition("-")[0]):
                return name
    return None


def to_24k(chunks: Iterable[Samples], rate: int) -> Iterator[bytes]:
    """Turn chunks [samples] at `rate` Hz into s16le at 24 kHz, without a seam between them."""
    if rate == SAMPLE_RATE:
        yield from map(to_pcm, chunks)
        return
    import numpy as np
    import soxr

    stream = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")
    for chunk in chunks:
        yield to_pcm(stream.resample_chunk(chunk))
    yield to_pcm(stream.resample_chunk(np.zeros(0, np.float32), last=True))
