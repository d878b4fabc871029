"""The system voice in its child process: the small synthesisers that this machine can run."""

import logging
import re
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from wyoming_csm.audio import from_pcm, read_clip, resample, to_pcm
from wyoming_csm.errors import EngineError, EngineUnavailable, VoiceError
from wyoming_csm.text.scripts import Run, letters_outside, scripts_of
from wyoming_csm.voices import Voice
from wyoming_csm.worker.protocol import Configure
from wyoming_csm.worker.strange_words import LeftOut, Say, say_each
from wyoming_csm.worker.system import hibari, pico
from wyoming_csm.worker.system.espeak_ng import find_command
from wyoming_csm.worker.system.further_voices import Fetched
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
_SECONDS = 10.0  # for one sentence; espeak-ng takes 0.1. Less than what counts as hung
_WAV_HEADER_BYTES, _WAV_RATE_OFFSET = 44, 24


# Makes the sound of a text, as 24 kHz mono s16le, in a language by the synthesiser's own name of
# it, so many times as fast as usual. Raises EngineError.
Synthesise = Callable[[str, str, float], Iterator[bytes]]


class Espeak:
    """The espeak-ng command, a process for each sentence."""

    def __init__(self, command: Sequence[str] | None = None) -> None:
        command = command or find_command() or ()
        self._command = (*command, "-b", "1", "--stdin", "--stdout", "-v")

    def say(self, text: str, language: str, rate: float = 1.0) -> Iterator[bytes]:
        words = round(rate * _WORDS_PER_MINUTE)  # it takes 80 to 449
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

    def __init__(self) -> None:
        import pyttsx3

        self._engine: Any = pyttsx3.init()
        self._usual = self._engine.getProperty("rate")

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


class SystemSpeaker:
    """The speaker of the sentence loop. `synthesisers`: by name, the best first; `fetched` names
    those of Hibari's further voices that are here by now."""

    voices: tuple[Voice, ...] = ()  # known without loading
    warm_up: Sequence[tuple[str, Voice]] = ()  # its first sentence is as quick as all others
    identity = ""  # it makes a sentence again as soon as a disk would bring it

    def __init__(
        self,
        synthesisers: Mapping[str, Synthesise],
        fetched: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        self.detail = ", ".join(synthesisers)
        self._synthesisers = synthesisers
        self._fetched = fetched
        self._left_out = LeftOut(_LOGGER)

    def say(self, text: str, voice: Voice, rate: float = 1.0) -> Iterator[bytes]:
        """Make the sound by the first synthesiser that has the language, and words with letters
        that it does not know by one that does, in the likeliest language of their script. Where
        none does, they are said without those letters. Raises EngineError."""
        known = _by_name(self._fetched())
        language = known.get(voice.name)
        if language is None:
            raise EngineError(f"no system voice {voice.name!r}")
        able = [name for name in self._synthesisers if name in language.codes]
        if not able:
            raise EngineError(f"no voice here speaks {language.title}")

        def other(run: Run) -> Say | None:
            its = known.get(f"system_{run.language}") or language
            found = [name for name in self._synthesisers if name in its.codes]
            found = [name for name in found if not _unknown(name, run.text, its.tag)]
            if not found:
                return None
            return lambda words: self._say(words, rate, its, found)

        return say_each(
            text,
            lambda words: _unknown(able[0], words, language.tag),
            lambda words: self._say(words, rate, language, able),
            other,
            partial(self._left_out.tell, able[0]),
        )

    def _say(
        self, text: str, rate: float, language: Language, names: Sequence[str]
    ) -> Iterator[bytes]:
        """Yield the sound made by the first of these, or by the next one if that fails before
        anything sounded."""
        for name in names:
            sounded = False
            try:
                for pcm in self._synthesisers[name](text, language.codes[name], rate):
                    sounded = True
                    yield pcm
                return
            except EngineError as error:
                if sounded or name == names[-1]:
                    raise
                _LOGGER.warning("%s; another speaks", error)


@lru_cache(maxsize=2)
def _by_name(fetched: frozenset[str]) -> Mapping[str, Language]:
    return {language.name: language for language in languages(fetched)}


def _unknown(name: str, text: str, language: str) -> str:
    """Return the letters and digits of `text` that a synthesiser would leave out or name."""
    if name == HIBARI:
        return hibari.unknown(text)
    if name == PICO:
        return pico.unknown(text)
    # eSpeak NG has Latin words in every language. Of other scripts it names each letter.
    return letters_outside(text, scripts_of(language)) if name == ESPEAK else ""


def load(configure: Configure) -> SystemSpeaker:
    """Load what is installed; what cannot load is left out with a warning. Takes half a second.

    Raises EngineUnavailable if nothing is left.
    """
    models = Path(configure.download_dir)
    made_by: Mapping[str, Callable[[], Any]] = {
        HIBARI: partial(hibari.Hibari, models=models),
        PICO: pico.Pico,
        ESPEAK: Espeak,
        PLATFORM: Platform,
    }
    loaded: dict[str, Synthesise] = {}
    absent = ""
    for name in find_synthesisers():
        try:
            loaded[name] = made_by[name]().say
        except (ImportError, OSError, EngineError) as error:
            _LOGGER.warning("%s is left out: %s", name, error)
            absent = str(error)
    if not loaded:
        raise EngineUnavailable(
            f"the system voice cannot be loaded ({absent})", "pip install espeakng-loader"
        )
    return SystemSpeaker(loaded, Fetched(models).look)
