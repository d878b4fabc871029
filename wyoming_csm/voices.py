"""Voices: who can speak, and the folder of recorded ones, found again while running."""

import logging
import os
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from wyoming_csm.documents import DocumentError, read_document
from wyoming_csm.errors import VoiceError
from wyoming_csm.settings import explain

_LOGGER = logging.getLogger(__name__)

MAX_CLIP_SECONDS = 60.0  # 750 of the 2048 positions: what is longer leaves no room to speak
MAX_CLIP_RATE = 192_000  # Hz
MAX_CLIP_CHANNELS = 8
MAX_CLIP_TEXT = 3_000  # characters: far more than a minute holds
MAX_VOICES = 200
RECORDINGS = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".au", ".caf", ".w64")


class Clip(msgspec.Struct, frozen=True):
    """A recording and exactly the words spoken in it."""

    path: str
    text: str


class Voice(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the list a user picks from.

    `engine` names the engine the voice belongs to. `speaker` is CSM's speaker number or a
    multi-speaker model's speaker name; `speakers` are those a request may choose among.
    """

    name: str
    language: str
    description: str
    engine: str
    speaker: str = ""
    speakers: tuple[str, ...] = ()
    clips: tuple[Clip, ...] = ()


class _VoiceFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """voice.yaml."""

    language: Annotated[
        str, Meta(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$", description="en, de-CH")
    ] = "en"
    description: Annotated[str, Meta(max_length=200)] = ""
    speaker: Annotated[int, Meta(ge=0, le=99)] = 0


class VoiceBook:
    """The recorded voices below a folder: `<name>/{clip.wav, clip.txt, voice.yaml}`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[str, tuple[tuple[str, int, int], ...]] = {}
        self._voices: dict[str, Voice] = {}
        self._complaint = ""  # about the whole folder, so that it is logged once

    @property
    def voices(self) -> tuple[Voice, ...]:
        """As last read, by name."""
        return tuple(self._voices.values())

    def refresh(self) -> bool:
        """Look at the folder again; True if the voices are others than before.

        Reads only folders whose files changed. A broken folder is one warning, until it changes.
        """
        before = self._voices
        seen: dict[str, tuple[tuple[str, int, int], ...]] = {}
        voices: dict[str, Voice] = {}
        for folder in self._folders():
            stamp = _stamp(folder)
            seen[folder.name] = stamp
            if self._seen.get(folder.name) == stamp:
                if folder.name in before:
                    voices[folder.name] = before[folder.name]
                continue
            try:
                voices[folder.name] = read_voice(folder)
            except VoiceError as error:
                _LOGGER.warning("Voice %r is left out: %s", folder.name, error)
        self._seen, self._voices = seen, voices
        return voices != before

    def _folders(self) -> list[Path]:
        try:
            found = sorted(p for p in self._folder.iterdir() if p.is_dir() and p.name[0] != ".")
        except FileNotFoundError:
            found = []
        except OSError as error:
            self._complain(f"The folder of voices {self._folder} cannot be read: {error.strerror}")
            return []
        if len(found) > MAX_VOICES:
            self._complain(
                f"{self._folder} holds {len(found)} voices: the first {MAX_VOICES} are used"
            )
        else:
            self._complain("")
        return found[:MAX_VOICES]

    def _complain(self, text: str) -> None:
        if text and text != self._complaint:
            _LOGGER.warning("%s", text)
        self._complaint = text


def read_voice(folder: Path) -> Voice:
    """The voice in one folder. Raises VoiceError with what is missing or wrong."""
    if not os.path.abspath(folder).isprintable():  # also: no bytes that are not UTF-8
        raise VoiceError("the folder's path holds what cannot be printed: rename it")
    settings = _read_settings(folder / "voice.yaml")
    recording = _find_recording(folder)
    text = _read_text(folder / "clip.txt")
    _check_recording(recording)
    return Voice(
        name=folder.name,
        language=settings.language,
        description=settings.description.strip() or folder.name,
        engine="csm",
        speaker=str(settings.speaker),
        clips=(Clip(os.path.abspath(recording), text),),
    )


def _find_recording(folder: Path) -> Path:
    found = [path for path in folder.glob("clip.*") if path.suffix.lower() in RECORDINGS]
    found = sorted(found, key=lambda path: (RECORDINGS.index(path.suffix.lower()), path.name))
    if not found:
        raise VoiceError("clip.wav is missing: put a recording of 10 to 30 seconds there")
    return found[0]


def _read_text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():  # reading a pipe would wait for ever
            raise VoiceError(f"{path.name} is not a file")
        with path.open(encoding="utf-8-sig") as file:
            text = " ".join(file.read(MAX_CLIP_TEXT + 1).split())
    except FileNotFoundError:
        raise VoiceError("clip.txt is missing: write the exact words of the clip there") from None
    except UnicodeDecodeError:
        raise VoiceError("clip.txt is not UTF-8 text") from None
    except OSError as error:
        raise VoiceError(f"clip.txt cannot be read: {error.strerror}") from error
    if not text:
        raise VoiceError("clip.txt is empty: write the exact words of the clip there")
    if len(text) > MAX_CLIP_TEXT:
        raise VoiceError(f"clip.txt is longer than {MAX_CLIP_TEXT} characters")
    return text


def _check_recording(path: Path) -> None:
    import soundfile

    if not path.is_file():
        raise VoiceError(f"{path.name} is not a file")
    try:
        info = soundfile.info(path)
    except (OSError, soundfile.LibsndfileError) as error:
        raise VoiceError(f"{path.name} is not a recording that can be read") from error
    if not (0 < info.samplerate <= MAX_CLIP_RATE and info.channels <= MAX_CLIP_CHANNELS):
        raise VoiceError(
            f"{path.name} has {info.channels} channels at {info.samplerate} Hz:"
            f" {MAX_CLIP_CHANNELS} channels at {MAX_CLIP_RATE} Hz are the most"
        )
    seconds = info.frames / info.samplerate
    if not 0 < seconds <= MAX_CLIP_SECONDS:
        raise VoiceError(
            f"{path.name} lasts {seconds:.1f} s: 10 to 30 s serve best,"
            f" {MAX_CLIP_SECONDS:.0f} s is the most"
        )


def _read_settings(path: Path) -> _VoiceFile:
    try:
        found = read_document(path)
        settings = msgspec.convert(found if found is not None else {}, _VoiceFile)
    except FileNotFoundError:
        return _VoiceFile()
    except DocumentError as error:
        raise VoiceError(f"voice.yaml cannot be used: {error}") from error
    except msgspec.ValidationError as error:
        raise VoiceError(f"voice.yaml: {explain(str(error), _VoiceFile)}") from error
    if not settings.description.isprintable():
        raise VoiceError("voice.yaml: description: one line of what can be printed")
    return settings


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """What tells a changed folder from an unchanged one: names, sizes and times."""
    try:
        stats = [(p.name, p.stat()) for p in sorted(folder.iterdir()) if p.is_file()]
    except OSError:
        return ()
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
