"""The files of a new voice, made of a recording and judged in a folder of their own: the disk that
all voices are on has no part in what takes long."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from wyoming_csm.clip_pace import pace_of
from wyoming_csm.clip_words import names_of
from wyoming_csm.config import Config
from wyoming_csm.errors import StoreError, VoiceError
from wyoming_csm.recordings import is_recording
from wyoming_csm.voice_state import Judgement, judge_folder

# Judges a folder, given the loudness that its clip gets in LUFS. Raises VoiceError.
Judge = Callable[[Path, float | None], Judgement]


@dataclass(frozen=True)
class Judged:
    """What becomes a voice: its files, in a folder of their own, seconds of its clip, what people
    would hear in it."""

    files: tuple[Path, ...]
    seconds: float
    doubts: tuple[str, ...]


def judge_voice(
    config: Config,
    folder: Path,
    clip: Path,
    words: str,
    language: str,
    judge: Judge = judge_folder,
) -> Judged:
    """Make the files of a voice in an empty folder, whatever its name will be. Takes a while, but
    the disk of voices has no part in it. Raises VoiceError, StoreError."""
    found = _judged(config, folder, clip, words, language, judge)
    pace = pace_of(found.words, found.seconds)
    if pace.impossible:
        raise VoiceError(pace.doubt)
    doubts = (*found.doubts, *filter(None, [pace.doubt]))
    return Judged(tuple(folder.iterdir()), found.seconds, doubts)


def judge_clip(config: Config, clip: Path, judge: Judge = judge_folder) -> Judgement:
    """Do to a clip what is done to a voice's, whatever its words are. Takes a while.

    Raises VoiceError, StoreError.
    """
    with temporary() as folder:
        return _judged(config, folder, clip, "To be understood.", config.language, judge)


@contextmanager
def temporary() -> Iterator[Path]:
    """Make a folder that goes away. Raises StoreError."""
    try:
        made = tempfile.TemporaryDirectory()
    except OSError as error:
        raise StoreError.of_temporary(error) from error
    with made as folder:
        yield Path(folder)


def _judged(
    config: Config, folder: Path, recording: Path, words: str, language: str, judge: Judge
) -> Judgement:
    """Fill a voice's folder, and judge it. Raises VoiceError, StoreError."""
    try:
        filled = _fill(folder, recording, words, language)
        with _about(recording, filled):
            return judge(folder, config.csm.clip_loudness)
    except OSError as error:
        raise StoreError.of_temporary(error) from error


def _fill(folder: Path, recording: Path, words: str, language: str) -> Path:
    """Fill a voice's folder; return its clip there. Raises VoiceError, OSError."""
    clip = folder / f"clip{recording.suffix.lower() or '.wav'}"
    if not is_recording(clip):
        raise VoiceError(f"{names_of([recording])} is not a recording: WAV, FLAC, OGG or MP3 serve")
    shutil.copyfile(recording, clip)
    (folder / "clip.txt").write_text(f"{words}\n", encoding="utf-8")
    settings = yaml.safe_dump({"language": language}, allow_unicode=True)
    (folder / "voice.yaml").write_text(settings, encoding="utf-8")
    return clip


@contextmanager
def _about(recording: Path, clip: Path) -> Iterator[None]:
    """Let complaints name the recording that was given, not the clip that was made of it."""
    try:
        yield
    except VoiceError as error:
        words = str(error).replace(clip.name, names_of([recording]), 1)
        raise VoiceError(words) from error
