"""Voices: what a user picks from, and the folder of recorded ones, read again while running."""

import logging
import os
import unicodedata
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from wyoming_csm.config import Language
from wyoming_csm.documents import DocumentError, read_document
from wyoming_csm.errors import VoiceError
from wyoming_csm.recordings import (
    check_recording,
    files_in,
    find_recording,
    find_settings,
    find_words,
    is_recording,
    read_words,
)
from wyoming_csm.settings import complaint

_LOGGER = logging.getLogger(__name__)

MAX_VOICES = 200
# Folders that file managers, archives and disks leave behind.
_NO_VOICES = ("__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information")


class Clip(msgspec.Struct, frozen=True):
    """A recording and exactly the words spoken in it; `version` changes with the file."""

    path: str
    text: str
    version: str = ""


class Voice(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the list a user picks from.

    `engine` names the engine the voice belongs to. `speaker` is CSM's speaker number or a
    multi-speaker model's speaker name; `speakers` are those a request may choose among. `fault`:
    why it cannot be used as it is; another one speaks for it.
    """

    name: str
    language: str
    description: str
    engine: str
    speaker: str = ""
    speakers: tuple[str, ...] = ()
    clips: tuple[Clip, ...] = ()
    fault: str = ""


class _VoiceFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of a voice, in voice.yaml.

    language: en, de-CH
    """

    language: Language = "en"
    description: Annotated[str, Meta(max_length=200)] = ""
    speaker: Annotated[int, Meta(ge=0, le=99)] = 0


class VoiceBook:
    """The recorded voices below a folder: `<name>/{clip.wav, clip.txt, voice.yaml}`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[str, _Stamp] | None = None  # None: not looked yet
        self._voices: dict[str, Voice] = {}
        self._unsaid: dict[str, str] = {}  # faults of folders that may be being copied
        self._complaint = ""  # about the whole folder, so that it is logged once

    @property
    def voices(self) -> tuple[Voice, ...]:
        """The voices as last read, in the order of their names."""
        return tuple(self._voices.values())

    def refresh(self) -> bool:
        """Look at the folder again; return True if the voices are others than before.

        Reads only folders whose files changed. A folder that cannot be used is one warning, once
        its files stay the same (at the first look: at once), and a voice with a fault.
        """
        before, first = self._voices, self._seen is None
        seen: dict[str, _Stamp] = {}
        voices: dict[str, Voice] = {}
        for folder in self._folders():
            name = unicodedata.normalize("NFC", folder.name)  # macOS takes letters apart
            if name in seen:
                continue
            seen[name] = _stamp(folder)
            same = self._seen is not None and self._seen.get(name) == seen[name]
            if not same:
                voices |= self._read(folder, name)
            elif name in before:
                voices[name] = before[name]
            if (same or first) and (fault := self._unsaid.pop(name, "")):
                _LOGGER.warning("Voice %r cannot be used: %s", name, fault)
        self._seen, self._voices = seen, voices
        return voices != before

    def _read(self, folder: Path, name: str) -> dict[str, Voice]:
        """Read one voice, by name: with its fault if it was meant to be one, else none."""
        self._unsaid.pop(name, None)
        try:
            return {name: read_voice(folder)}
        except VoiceError as error:
            self._unsaid[name] = str(error)
        if not (name.isprintable() and any(map(is_recording, _entries(folder)))):
            return {}
        return {name: _faulty(name, self._unsaid[name])}

    def _folders(self) -> list[Path]:
        try:
            found = sorted(p for p in self._folder.iterdir() if p.name[0] != ".")
        except FileNotFoundError:
            found = []
        except OSError as error:
            self._complain(f"The folder of voices {self._folder} cannot be read: {error.strerror}")
            return []
        folders = [p for p in found if p.is_dir() and p.name.lower() not in _NO_VOICES]
        loose = [path.name for path in found if is_recording(path) and path.is_file()]
        if len(folders) > MAX_VOICES:
            self._complain(
                f"{self._folder} holds {len(folders)} voices: the first {MAX_VOICES} are used"
            )
        elif loose:
            self._complain(
                f"{self._folder} itself holds {loose[0]!a}: put it in a folder of the voice's name"
            )
        else:
            self._complain("")
        return folders[:MAX_VOICES]

    def _complain(self, text: str) -> None:
        if text and text != self._complaint:
            _LOGGER.warning("%s", text)
        self._complaint = text


def _faulty(name: str, fault: str) -> Voice:
    return Voice(name=name, language="en", description=name, engine="csm", fault=fault)


def _entries(folder: Path) -> list[Path]:
    try:
        return files_in(folder)
    except VoiceError:
        return []


def read_voice(folder: Path) -> Voice:
    """Read the voice in one folder. Raises VoiceError with what is missing or wrong."""
    if not os.path.abspath(folder).isprintable():  # also: no bytes that are not UTF-8
        raise VoiceError("the folder's path holds what cannot be printed: rename it")
    files = files_in(folder)
    settings = _read_settings(find_settings(files))
    recording = find_recording(files)
    text = read_words(find_words(files, recording), settings.language)
    check_recording(recording)
    name = unicodedata.normalize("NFC", folder.name)
    return Voice(
        name=name,
        language=settings.language,
        description=settings.description.strip() or name,
        engine="csm",
        speaker=str(settings.speaker),
        clips=(Clip(os.path.abspath(recording), text, _version(recording)),),
    )


def _read_settings(path: Path | None) -> _VoiceFile:
    if path is None:
        return _VoiceFile()
    try:
        found = read_document(path)
        found = {} if found is None else found
        settings = msgspec.convert(found, _VoiceFile)
    except FileNotFoundError:  # a moment ago it was there
        return _VoiceFile()
    except DocumentError as error:
        raise VoiceError(f"voice.yaml cannot be used: {error}") from error
    except msgspec.ValidationError as error:
        raise VoiceError(f"voice.yaml: {complaint(found, _VoiceFile)}") from error
    if not settings.description.isprintable():
        raise VoiceError("voice.yaml: description: one line of what can be printed")
    return settings


_Stamp = tuple[tuple[str, int, int], ...]


def _stamp(folder: Path) -> _Stamp:
    """Return what tells a changed folder from an unchanged one: names, sizes and times."""
    try:
        stats = [(p.name, p.stat()) for p in sorted(folder.iterdir()) if p.is_file()]
    except OSError:
        return ()
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)


def _version(path: Path) -> str:
    try:
        stat = path.stat()
    except OSError:
        return ""
    return f"{stat.st_size}-{stat.st_mtime_ns}"
