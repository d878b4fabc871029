"""The system voice: whatever small synthesiser this machine can run, by language."""

import logging
import re
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np

from wyoming_csm.audio import read_clip, resample, to_pcm
from wyoming_csm.config import SystemConfig
from wyoming_csm.errors import EngineError, EngineUnavailable, VoiceError
from wyoming_csm.voices import Voice
from wyoming_csm.worker.protocol import Configure
from wyoming_csm.worker.system.espeak_ng import find_command
from wyoming_csm.worker.system.languages import (
    ESPEAK,
    PICO,
    PLATFORM,
    find_synthesisers,
    languages,
)
from wyoming_csm.worker.system.pico import Pico, is_readable

_LOGGER = logging.getLogger(__name__)

_WORDS_PER_MINUTE = 175
_ESPEAK_SPEEDS = (80, 449)  # words per minute that espeak-ng takes
_SECONDS = 10.0  # for one sentence; espeak-ng takes 0.1. Less than what counts as hung
_WAV_HEADER_BYTES, _WAV_RATE_AT = 44, 24


class Synthesiser(Protocol):
    """One of the small ones."""

    def say(self, text: str, language: str) -> Iterator[bytes]:
        """24 kHz mono s16le. `language`: the synthesiser's own name of it. Raises EngineError."""


class Espeak:
    """espeak-ng, a process for each sentence."""

    def __init__(self, command: Sequence[str], speed: float) -> None:
        low, high = _ESPEAK_SPEEDS
        rate = min(high, max(low, round(speed * _WORDS_PER_MINUTE)))
        self._command = (*command, "-b", "1", "-s", str(rate), "--stdin", "--stdout", "-v")

    def say(self, text: str, language: str) -> Iterator[bytes]:
        # [[…]] would be read as phonemes
        plain = re.sub(r"\[(?=\[)", "[ ", text.replace("\0", " "))
        try:
            done = subprocess.run(
                (*self._command, language),
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
            (rate,) = struct.unpack_from("<I", done.stdout, _WAV_RATE_AT)
            pcm = np.frombuffer(done.stdout, dtype="<i2", offset=_WAV_HEADER_BYTES)
            yield to_pcm(resample(pcm.astype(np.float32) / np.float32(32_768), rate))


class Platform:
    """What came with Windows or macOS, through pyttsx3. Raises ImportError without it."""

    def __init__(self, speed: float) -> None:
        import pyttsx3

        self._engine: Any = pyttsx3.init()
        self._engine.setProperty("rate", self._engine.getProperty("rate") * speed)

    def say(self, text: str, language: str) -> Iterator[bytes]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "sentence.wav"
            self._engine.save_to_file(text, str(path))
            self._engine.runAndWait()
            try:
                yield to_pcm(read_clip(path))
            except VoiceError as error:
                raise EngineError(f"pyttsx3: {error}") from error


class SystemSpeaker:
    """Each language by the first synthesiser that has it."""

    voices: tuple[Voice, ...] = ()  # known without loading
    rehearsal: Sequence[tuple[str, Voice]] = ()  # its first sentence is as quick as all others

    def __init__(
        self, pico: Synthesiser | None, espeak: Synthesiser | None, platform: Synthesiser | None
    ) -> None:
        self._pico = pico
        self._espeak = espeak
        self._platform = platform
        self._languages = {language.voice_name: language for language in languages()}

    @property
    def detail(self) -> str:
        names = {PICO: self._pico, ESPEAK: self._espeak, PLATFORM: self._platform}
        return ", ".join(name for name, synthesiser in names.items() if synthesiser)

    def say(self, text: str, voice: Voice) -> Iterator[bytes]:
        """Text in a script that Pico cannot read goes to espeak-ng. Raises EngineError."""
        language = self._languages.get(voice.name)
        if language is None:
            raise EngineError(f"no system voice {voice.name!r}")
        if language.pico and self._pico and (is_readable(text) or self._espeak is None):
            return self._pico.say(text, language.pico)
        if self._espeak:
            return self._espeak.say(text, language.espeak)
        if self._platform:
            return self._platform.say(text, language.tag)
        raise EngineError(f"nothing here speaks {language.title}")


def load(configure: Configure, progress: Callable[[str], None]) -> SystemSpeaker:
    """Takes no time; what is installed but cannot load is left out. Raises EngineUnavailable."""
    speed = msgspec.convert(configure.settings, SystemConfig).speed
    found = find_synthesisers()
    command = find_command()
    espeak = Espeak(command, speed) if command else None
    pico = platform = None
    try:
        pico = Pico(speed) if PICO in found else None
        platform = Platform(speed) if PLATFORM in found else None
    except (ImportError, OSError) as error:
        if espeak is None:
            raise EngineUnavailable(
                f"the system voice cannot be loaded ({error})", "pip install espeakng-loader"
            ) from error
        _LOGGER.warning("The system voice is eSpeak NG alone: %s", error)
    return SystemSpeaker(pico, espeak, platform)
