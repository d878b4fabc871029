"""The system voice in its child process: the small synthesisers that this machine can run."""

import logging
import re
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from wyoming_csm.audio import from_pcm, read_clip, resample, to_pcm
from wyoming_csm.config import SystemConfig
from wyoming_csm.errors import EngineError, EngineUnavailable, VoiceError
from wyoming_csm.voices import Voice
from wyoming_csm.worker.protocol import Configure
from wyoming_csm.worker.system import hibari, pico
from wyoming_csm.worker.system.espeak_ng import find_command
from wyoming_csm.worker.system.languages import (
    ESPEAK,
    HIBARI,
    PICO,
    PLATFORM,
    Language,
    find_synthesisers,
    languages,
)

_LOGGER = logging.getLogger(__name__)

_WORDS_PER_MINUTE = 175
_ESPEAK_SPEEDS = (80, 449)  # words per minute that espeak-ng takes
_SECONDS = 10.0  # for one sentence; espeak-ng takes 0.1. Less than what counts as hung
_WAV_HEADER_BYTES, _WAV_RATE_OFFSET = 44, 24


# Makes the sound of a text, as 24 kHz mono s16le, in a language by the synthesiser's own name of
# it, so many times as fast as configured. Raises EngineError.
Synthesise = Callable[[str, str, float], Iterator[bytes]]


class Espeak:
    """The espeak-ng command, a process for each sentence."""

    def __init__(self, speed: float, command: Sequence[str] | None = None) -> None:
        self._speed = speed
        command = command or find_command() or ()
        self._command = (*command, "-b", "1", "--stdin", "--stdout", "-v")

    def say(self, text: str, language: str, rate: float = 1.0) -> Iterator[bytes]:
        low, high = _ESPEAK_SPEEDS
        words = min(high, max(low, round(self._speed * rate * _WORDS_PER_MINUTE)))
        # It would read [[…]] as phonemes.
        plain = re.sub(r"\[(?=\[)", "[ ", text.replace("\0", " "))
        try:
            done = subprocess.run(
                (*self._command, language, "-s", str(words)),
                input=plain.encode("utf-8", "replace"),
                capture_output=True,
                timeout=_SECONDS,
                check=True,
            )
        except subprocess.CalledProcessError as error:
            reason = error.stderr.decode("utf-8", "replace").strip() or f"exit {error.returncode}"
            raise EngineError(f"espeak-ng: {reason}") from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EngineError(f"espeak-ng: {error}") from error
        if len(done.stdout) > _WAV_HEADER_BYTES:
            (made_at,) = struct.unpack_from("<I", done.stdout, _WAV_RATE_OFFSET)
            yield to_pcm(resample(from_pcm(done.stdout[_WAV_HEADER_BYTES:]), made_at))


class Platform:
    """The voice that came with Windows or macOS. Raises ImportError without pyttsx3."""

    def __init__(self, speed: float) -> None:
        import pyttsx3

        self._engine: Any = pyttsx3.init()
        self._usual = self._engine.getProperty("rate") * speed

    def say(self, text: str, language: str, rate: float = 1.0) -> Iterator[bytes]:
        self._engine.setProperty("rate", self._usual * rate)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "sentence.wav"
            self._engine.save_to_file(text, str(path))
            self._engine.runAndWait()
            try:
                yield to_pcm(read_clip(path))
            except VoiceError as error:
                raise EngineError(f"pyttsx3: {error}") from error


_UNKNOWN: Mapping[str, Callable[[str], str]] = {HIBARI: hibari.unknown, PICO: pico.unknown}


class SystemSpeaker:
    """The speaker of the sentence loop. `synthesisers`: by name, the best first."""

    voices: tuple[Voice, ...] = ()  # known without loading
    warm_up: Sequence[tuple[str, Voice]] = ()  # its first sentence is as quick as all others
    identity = ""  # it makes a sentence again as soon as a disk would bring it

    def __init__(self, synthesisers: Mapping[str, Synthesise]) -> None:
        self.detail = ", ".join(synthesisers)
        self._synthesisers = synthesisers
        self._languages = {language.name: language for language in languages()}

    def say(self, text: str, voice: Voice) -> Iterator[bytes]:
        """Make the sound by the first synthesiser that has the language and knows every letter of
        the text; where none does, by the first, without those letters. Raises EngineError."""
        language = self._languages.get(voice.name)
        if language is None:
            raise EngineError(f"no system voice {voice.name!r}")
        able = [name for name in self._synthesisers if name in language.codes]
        if not able:
            raise EngineError(f"no voice here speaks {language.title}")
        first = next((name for name in able if not _unknown(name, text)), able[0])
        if unknown := _unknown(first, text):
            _LOGGER.warning("%s leaves out %d letters that it does not know", first, len(unknown))
        return self._say(text, voice, language, sorted(able, key=lambda name: name != first))

    def _say(
        self, text: str, voice: Voice, language: Language, names: Sequence[str]
    ) -> Iterator[bytes]:
        """Yield the sound made by the first of these, or by the next one if that fails before
        anything sounded."""
        for name in names:
            sounded = False
            try:
                for pcm in self._synthesisers[name](text, language.codes[name], voice.manner.rate):
                    sounded = True
                    yield pcm
                return
            except EngineError as error:
                if sounded or name == names[-1]:
                    raise
                _LOGGER.warning("%s; another speaks", error)


def _unknown(name: str, text: str) -> str:
    """Return the letters of `text` that a synthesiser would leave out."""
    return _UNKNOWN[name](text) if name in _UNKNOWN else ""


def load(configure: Configure) -> SystemSpeaker:
    """Load what is installed; what cannot load is left out with a warning. Takes half a second.

    Raises EngineUnavailable if nothing is left.
    """
    speed = msgspec.convert(configure.settings, SystemConfig).speed
    made_by: Mapping[str, Callable[[float], Any]] = {
        HIBARI: hibari.Hibari,
        PICO: pico.Pico,
        ESPEAK: Espeak,
        PLATFORM: Platform,
    }
    loaded: dict[str, Synthesise] = {}
    absent = ""
    for name in find_synthesisers():
        try:
            loaded[name] = made_by[name](speed).say
        except (ImportError, OSError, EngineError) as error:
            _LOGGER.warning("%s is left out: %s", name, error)
            absent = str(error)
    if not loaded:
        raise EngineUnavailable(
            f"the system voice cannot be loaded ({absent})", "pip install espeakng-loader"
        )
    return SystemSpeaker(loaded)
