"""The folder of one recorded voice, as phones, laptops and file managers fill it: which files are
recordings, which hold their words, whether they can be read, and the voice they make."""

import hashlib
import math
import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from wyoming_csm.clip_words import names_of, read_start, read_words
from wyoming_csm.config import Language
from wyoming_csm.documents import DocumentError, read_document
from wyoming_csm.errors import VoiceError
from wyoming_csm.settings import complaint
from wyoming_csm.voices import Clip, Voice

_MIN_SECONDS = 1.0  # what is shorter is a slip of the finger
_MAX_SECONDS = 60.0  # 750 of the 2048 positions: what is longer leaves no room to speak
_MAX_RATE = 192_000  # Hz
_MAX_CHANNELS = 8


# The best first: of several that have the right name it is taken.
_READABLE = (
    *(".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".aifc"),
    *(".au", ".snd", ".caf", ".w64", ".rf64"),
)
_UNREADABLE = (
    *(".m4a", ".m4b", ".m4r", ".m4v", ".mp4", ".aac", ".mov", ".qt", ".3gp", ".3ga", ".3g2"),
    *(".amr", ".awb", ".wma", ".wmv", ".asf", ".avi", ".webm", ".weba", ".mka", ".mkv", ".mpg"),
    *(".mpeg", ".ac3", ".ape", ".mpc", ".qcp", ".ra", ".rm", ".spx", ".tta", ".wv"),
)
_CURE = "this kind cannot be read; convert it to WAV, FLAC, OGG or MP3"
_CONTENTS = (  # of files under a wrong name: offset, what is there, and how people call it
    (4, b"ftyp", "M4A or MP4"),
    (0, b"\x1aE\xdf\xa3", "WebM"),
    (0, b"#!AMR", "AMR"),
    (0, b"0&\xb2u", "WMA"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\xff\xf1", "AAC"),
    (0, b"\xff\xf9", "AAC"),
)
_UNFINISHED = (".part", ".partial", ".crdownload", ".download", ".filepart", ".tmp")
_TEXTS = (".txt", ".text")
_DOCUMENTS = (".doc", ".docx", ".htm", ".html", ".md", ".odt", ".pages", ".pdf", ".rtf")
_SETTINGS = ("voice.yaml", "voice.yml", "voice.json", "voice.yaml.txt", "voice.yml.txt")
_OTHER_TEXTS = ("readme", "license", "licence", "notes", "source", "credits")
_JUNK = ("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r")  # what file managers leave behind


class _Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of a voice, in voice.yaml.

    language: en, de-CH
    """

    language: Language = "en"
    description: Annotated[str, Meta(max_length=200)] = ""
    speaker: Annotated[int, Meta(ge=0, le=99)] = 0


def read_voice(folder: Path) -> Voice:
    """Read the voice in one folder. Raises VoiceError with what is missing or wrong."""
    if not os.path.abspath(folder).isprintable():  # also: no bytes that are not UTF-8
        raise VoiceError("the folder's path holds what cannot be printed: rename it")
    try:
        files = _files_in(folder)
        settings = _read_settings(files)
        found = [_read_clip(*pair, settings.language) for pair in _find_pairs(files)]
    except OSError as error:
        name = names_of([Path(error.filename or folder)])
        raise VoiceError(f"{name} cannot be read: {error.strerror}") from error
    whole = sum(seconds for _, seconds in found)
    if whole > _MAX_SECONDS:
        raise VoiceError(
            f"its {len(found)} clips last {_told(whole)} s:"
            f" {_MAX_SECONDS:.0f} s in all are allowed,"
            " 10 to 30 s serve best; take some away"
        )
    name = unicodedata.normalize("NFC", folder.name)
    return Voice(
        name=name,
        language=settings.language,
        description=settings.description.strip() or name,
        engine="csm",
        speaker=str(settings.speaker),
        clips=tuple(clip for clip, _ in found),
    )


def _read_clip(recording: Path, text: Path, language: str) -> tuple[Clip, float]:
    """Return a clip and its seconds."""
    if not recording.name.isprintable():  # nor could a process be told which file it is
        raise VoiceError(f"{names_of([recording])} holds what cannot be printed: rename it")
    words, seconds = read_words(text, language), _seconds_of(recording)
    version = version_of(recording)
    with recording.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()[:32]
    return Clip(os.path.abspath(recording), words, version, content), seconds


def version_of(recording: Path) -> str:
    """Return what changes when the file does. Raises OSError."""
    stat = recording.stat()
    return f"{stat.st_size}-{stat.st_mtime_ns}"


def is_recording(path: Path) -> bool:
    """Return whether it is a recording by its name, also of a kind that cannot be read."""
    return _kind(path) in _READABLE or _kind(path) in _UNREADABLE


def holds_recording(folder: Path) -> bool:
    """Return whether the folder was meant as a voice."""
    try:
        return any(map(is_recording, _files_in(folder)))
    except OSError:
        return False


def _files_in(folder: Path) -> list[Path]:
    found = sorted(folder.iterdir())
    return [p for p in found if p.name[0] not in ".~" and p.name.lower() not in _JUNK]


def _read_settings(files: Sequence[Path]) -> _Settings:
    """Read voice.yaml, in whatever case and with whatever ending it is written."""
    by_name = {path.name.lower(): path for path in files}
    path = next((by_name[name] for name in _SETTINGS if name in by_name), None)
    try:
        found = read_document(path) if path else {}
        settings = msgspec.convert(found, _Settings)
    except DocumentError as error:
        raise VoiceError(f"voice.yaml cannot be used: {error}") from error
    except msgspec.ValidationError as error:
        raise VoiceError(f"voice.yaml: {complaint(found, _Settings, {})}") from error
    if not settings.description.isprintable():
        raise VoiceError("voice.yaml: description: one line of what can be printed")
    return settings


def _find_pairs(files: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Return the recordings with their texts, `clip` first: several if each has a text of its own
    name, else the one that there is."""
    texts = _texts_in(files)
    own: dict[str, Path] = {}  # by name without ending
    for path in sorted(
        files, key=lambda p: (_kind(p) in _READABLE and _READABLE.index(_kind(p)), p)
    ):
        if _kind(path) in _READABLE and path.stem.lower() in texts:
            own.setdefault(path.stem.lower(), path)
    if len(own) > 1:
        order = sorted(own, key=lambda name: (name != "clip", _by_number(name)))
        return [(own[name], texts[name]) for name in order]
    recording = _find_recording(files)
    return [(recording, _find_words(files, recording))]


def _find_recording(files: Sequence[Path]) -> Path:
    """Return `clip` of any kind, or what is called like it, or the only recording."""
    sounds = [path for path in files if _kind(path) in _READABLE]
    named = [path for path in sounds if _base(path) == "clip"]
    if named:
        return min(named, key=lambda p: (p.stem.lower() != "clip", _READABLE.index(_kind(p)), p))
    foreign = [path for path in files if _kind(path) in _UNREADABLE]
    foreign.sort(key=lambda path: _base(path) != "clip")
    if foreign and (_base(foreign[0]) == "clip" or not sounds):
        raise VoiceError(f"found {names_of(foreign[:1])}: {_CURE}")
    sounds = [path for path in sounds if _base(path).startswith("clip")] or sounds
    if len(sounds) > 1:
        raise VoiceError(f"several recordings ({names_of(sounds)}): call the right one clip.wav")
    if sounds:
        return sounds[0]
    unfinished = [path for path in files if path.name.lower().endswith(_UNFINISHED)]
    if unfinished:
        raise VoiceError(f"{names_of(unfinished[:1])} is not copied to its end")
    there = f" (there is {names_of(files)})" if files else ""
    raise VoiceError(f"clip.wav is missing{there}: put a recording of 10 to 30 seconds there")


def _find_words(files: Sequence[Path], recording: Path) -> Path:
    """Return the text of the recording's name, or `clip.txt`, or the only text."""
    texts = _texts_in(files)
    for name in (recording.stem, recording.name, _base(recording), "clip"):
        if name.lower() in texts:
            return texts[name.lower()]
    others = [path for name, path in texts.items() if name not in _OTHER_TEXTS]
    if len(others) > 1:
        raise VoiceError(f"several texts ({names_of(others)}): call the clip's words clip.txt")
    if others:
        return others[0]
    for path in files:
        if _kind(path) in _DOCUMENTS and _base(path) not in _OTHER_TEXTS:
            raise VoiceError(
                f"found {names_of([path])}: save the clip's words as plain text, clip.txt"
            )
    raise VoiceError("clip.txt is missing: write the exact words of the clip there")


def _texts_in(files: Sequence[Path]) -> dict[str, Path]:
    """Return the plain texts by their names without ending, in lower case."""
    texts: dict[str, Path] = {}
    for path in files:
        if _kind(path) in _TEXTS:
            texts.setdefault(_without_txt(path), path)
    return texts


def _seconds_of(path: Path) -> float:
    """Find out from the first bytes whether it can be read, and how long it is."""
    import soundfile

    name = names_of([path])
    if not (head := read_start(path, 16)):
        raise VoiceError(f"{name} is empty: copy it again")
    try:
        info = soundfile.info(path)
    except soundfile.LibsndfileError as error:
        for offset, magic, kind in _CONTENTS:
            if head[offset:].startswith(magic):
                raise VoiceError(f"{name} is really {kind}: {_CURE}") from error
        raise VoiceError(
            f"{name} is not a recording that can be read: convert it to WAV, FLAC, OGG or MP3"
        ) from error
    if not (0 < info.samplerate <= _MAX_RATE and info.channels <= _MAX_CHANNELS):
        raise VoiceError(
            f"{name} has {info.channels} channels at {info.samplerate} Hz:"
            f" {_MAX_CHANNELS} channels at {_MAX_RATE} Hz are the most"
        )
    seconds = float(info.frames / info.samplerate)
    if not _MIN_SECONDS <= seconds <= _MAX_SECONDS:
        raise VoiceError(
            f"{name} lasts {_told(seconds)} s: 10 to 30 s serve best,"
            f" {_MIN_SECONDS:.0f} to {_MAX_SECONDS:.0f} s are allowed"
        )
    return seconds


def _told(seconds: float) -> str:
    """Return seconds beyond a bound, as exactly as it takes to see that they are."""
    if round(seconds, 1) not in (_MIN_SECONDS, _MAX_SECONDS):
        return f"{seconds:.1f}"
    away = math.floor if seconds < _MIN_SECONDS else math.ceil
    return f"{away(seconds * 100) / 100:.2f}"


def _kind(path: Path) -> str:
    return path.suffix.lower()


def _by_number(name: str) -> list[tuple[bool, int, str]]:
    """Return what sorts clip2 before clip10."""
    return [
        (part.isdecimal(), int(part) if part.isdecimal() else 0, part)
        for part in re.split(r"(\d{1,9})", name)
    ]


def _base(path: Path) -> str:
    """Return `clip` for Clip.WAV, clip.wav.wav and clip.mp3."""
    return path.name.partition(".")[0].lower()


def _without_txt(path: Path) -> str:
    """Return the name without its ending, or endings: Windows hides one, and some write another."""
    name = path.name.lower()
    while name.endswith(_TEXTS):
        name = name.rpartition(".")[0]
    return name
