"""What goes in and out of the folder of recorded voices: each voice whole, or not at all.

Several processes, of several machines, may do so at once: all that counts is a rename, which is
done or not, on a network's disk, too. No lock is needed. What a process that was ended amid a
change left behind, the next one clears away.
"""

import errno
import os
import shutil
import tempfile
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from wyoming_csm.config import Config
from wyoming_csm.errors import RequestError, StoreError, VoiceExists
from wyoming_csm.lexicons import FILE as LEXICON
from wyoming_csm.recordings import holds_recording
from wyoming_csm.voice_book import BEFORE, CHANGING, MAX_VOICES, NO_VOICES
from wyoming_csm.voice_files import Judge, Judged, judge_voice, temporary
from wyoming_csm.voice_names import checked_name
from wyoming_csm.voice_state import judge_folder
from wyoming_csm.voices import Voice

NO_ENGINE = (
    "no engine here speaks with recordings: start without --light, and with csm among `engines`"
)
_MOVING = threading.Lock()  # folders of voices: nobody looks between the steps of a change
_IN_THE_WAY = (errno.EEXIST, errno.ENOTEMPTY)  # another process was quicker
_UNCHANGED = "the folder of voices cannot be changed"
_MOST_TRIES = 20  # to replace a voice: at each another was quicker
_ABANDONED_SECONDS = 3_600.0  # since a change was begun, by the clock of the disk's own computer


@dataclass(frozen=True)
class Made:
    """A voice that was made: its name, seconds of its clip, what people would hear in it."""

    name: str
    seconds: float
    doubts: tuple[str, ...]


def check_new(config: Config, name: str, replacing: bool = False) -> str:
    """Return a new voice's name as folders and Home Assistant have it. Raises RequestError."""
    name = checked_name(config, name)
    if _is_there(Path(config.voices), name) and not replacing:
        raise _exists(name)
    return name


def is_there(config: Config, name: str) -> bool:
    """Tell whether there is a folder of this voice."""
    name = unicodedata.normalize("NFC", name)
    there = map(_name, _folders(Path(config.voices)))
    return name in there and name.lower() not in NO_VOICES


def make_voice(
    config: Config,
    name: str,
    clip: Path,
    words: str,
    language: str,
    replacing: bool = False,
    judge: Judge = judge_folder,
) -> Made:
    """Make a voice's folder of a clip and exactly the words in it. Takes a while.

    Raises RequestError, VoiceError, StoreError.
    """
    check_new(config, name, replacing)
    with temporary() as folder:
        judged = judge_voice(config, folder, clip, words, language, judge)
        return put_voice(config, name, judged, replacing)


def put_voice(config: Config, name: str, judged: Judged, replacing: bool = False) -> Made:
    """Let a voice appear among the others. Raises RequestError, StoreError."""
    name = check_new(config, name, replacing)
    folder = Path(config.voices)
    if len(_folders(folder)) >= MAX_VOICES and not _is_there(folder, name):
        raise RequestError(f"there are {MAX_VOICES} voices, more are not read: take one away first")
    with _hidden(folder) as hidden:
        aside = hidden / name
        aside.mkdir()
        for file in judged.files:
            shutil.copyfile(file, aside / file.name)
        _carry_lexicon(folder, name, aside)
        _put(aside, folder / name, replacing)
    return Made(name, judged.seconds, judged.doubts)


def discard(config: Config, name: str) -> None:
    """Take a voice's folder away, all at once. Raises RequestError, StoreError."""
    with _hidden(_folder_of(config, name).parent) as hidden, _MOVING:
        folder = _folder_of(config, name)
        try:
            if folder.is_symlink():
                folder.unlink()
            else:
                folder.rename(hidden / folder.name)
        except FileNotFoundError as error:
            raise _absent(config, name) from error
        _forget_before(folder)


def rename(config: Config, name: str, new_name: str) -> str:
    """Give a voice another name; return that. Raises RequestError, StoreError."""
    with _MOVING:
        folder = _folder_of(config, name)
        new_name = check_new(config, new_name)
        try:
            folder.rename(folder.parent / new_name)
        except OSError as error:
            if error.errno in _IN_THE_WAY:
                raise _exists(new_name) from error
            if isinstance(error, FileNotFoundError):  # another process took it away
                raise _absent(config, name) from error
            raise StoreError.of(f"{folder.name!r} cannot be renamed", error) from error
        _forget_before(folder)
    return new_name


def without_engine(config: Config) -> list[Voice]:
    """Return the recorded voices that nobody speaks with, since CSM is not among the engines."""
    if "csm" in config.engines:
        return []
    names = [_name(folder) for folder in _folders(Path(config.voices)) if holds_recording(folder)]
    return [
        Voice(name=name, language=config.language, description=name, engine="csm", fault=NO_ENGINE)
        for name in names[:MAX_VOICES]
        if name.isprintable() and name.lower() not in NO_VOICES
    ]


def presets_of(config: Config, name: str) -> list[str]:
    """Return the presets that are made of a voice."""
    name = unicodedata.normalize("NFC", name)
    return [preset for preset, settings in config.presets.items() if settings.voice == name]


def _carry_lexicon(folder: Path, name: str, aside: Path) -> None:
    """Copy the lexicon of a voice of that name: its words are read alike in another recording."""
    for before in _folders(folder):
        if _name(before) == name:
            with suppress(FileNotFoundError):
                shutil.copyfile(before / LEXICON, aside / LEXICON)


@contextmanager
def _hidden(folder: Path) -> Iterator[Path]:
    """Make a hidden folder of one's own, which no server takes for a voice, beside the voices, and
    leave nothing of it. Raises StoreError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        hidden = Path(tempfile.mkdtemp(prefix=CHANGING, dir=folder))
    except OSError as error:
        raise StoreError.of(_UNCHANGED, error) from error
    try:
        _clear_abandoned(hidden)
        yield hidden
    except OSError as error:
        raise StoreError.of(_UNCHANGED, error) from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _put(aside: Path, folder: Path, replacing: bool) -> None:
    """Let the folder appear whole; one that was there goes, and comes back if that fails.

    Of two who replace it at once one is the last. Raises VoiceExists if it is not to be replaced,
    OSError.
    """
    before = aside.parent / BEFORE
    with _MOVING:
        if _is_there(folder.parent, folder.name) and not replacing:
            raise _exists(folder.name)
        for left in reversed(range(_MOST_TRIES)):
            _move_there(folder, before)
            try:
                aside.rename(folder)
                return
            except OSError as error:
                quicker = error.errno in _IN_THE_WAY
                if quicker and not replacing:
                    raise _exists(folder.name) from error
                if not quicker or not left:
                    _move_back(before)
                    raise


def _move_there(folder: Path, before: Path) -> None:
    """Move a voice's folder, if there is one, into the folder `before`, in place of another's."""
    for path in _folders(folder.parent):
        if _name(path) == folder.name:
            shutil.rmtree(before, ignore_errors=True)
            before.mkdir()
            with suppress(FileNotFoundError):  # another process moved it
                path.rename(before / path.name)
            return


def _move_back(before: Path) -> None:
    """Move a voice's folder back, unless there is another by now. Raises OSError."""
    for path in before.iterdir() if before.exists() else ():
        if not _is_there(before.parents[1], path.name):
            path.rename(before.parents[1] / path.name)


def _clear_abandoned(hidden: Path) -> None:
    """Take away what processes left that were ended amid a change; the only folder of a voice
    comes back."""
    now = hidden.stat().st_mtime
    for path in hidden.parent.glob(f"{CHANGING}*"):
        with suppress(OSError):  # another process clears, too
            if now - path.stat().st_mtime > _ABANDONED_SECONDS:
                _move_back(path / BEFORE)
                shutil.rmtree(path, ignore_errors=True)


def _forget_before(folder: Path) -> None:
    """Take away what a killed process left of a voice that went itself: it must not come back."""
    for left in folder.parent.glob(f"{CHANGING}*/{BEFORE}/*"):
        if _name(left) == _name(folder):
            shutil.rmtree(left, ignore_errors=True)


def _exists(name: str) -> VoiceExists:
    return VoiceExists(
        f"there is a voice {name!r}: give another name, or say that it is to be replaced"
    )


def _folder_of(config: Config, name: str) -> Path:
    name = unicodedata.normalize("NFC", name)
    for path in _folders(Path(config.voices)):
        if _name(path) == name:
            return path
    raise _absent(config, name)


def _absent(config: Config, name: str) -> RequestError:
    return RequestError(f"there is no voice {name!r} in {config.voices}")


def _folders(folder: Path) -> list[Path]:
    with suppress(OSError):
        return sorted(path for path in folder.iterdir() if path.name[0] != "." and path.is_dir())
    return []


def _is_there(folder: Path, name: str) -> bool:
    return os.path.lexists(folder / name) or name in map(_name, _folders(folder))


def _name(folder: Path) -> str:
    return unicodedata.normalize("NFC", folder.name)
