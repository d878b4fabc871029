"""What can be said of a recorded voice: how long its clips are, what would be changed in them, and
what is doubtful."""

from pathlib import Path

import msgspec

from wyoming_csm.audio import RECOGNISED_RATE, SAMPLE_RATE, resample, to_pcm
from wyoming_csm.clip_pace import pace_of
from wyoming_csm.config import Config
from wyoming_csm.errors import VoiceError
from wyoming_csm.mending import Mended, mend_file
from wyoming_csm.recordings import read_voice
from wyoming_csm.voices import Voice


class Judgement(msgspec.Struct, frozen=True, tag=True):
    """The first clip of a voice, judged: its words, and seconds of it that would be used.

    `changes` are those that would be made, `doubts` what people would hear in the voice that no
    change can mend. `sound` is what a speech-to-text server takes: s16le, mono, at 16 kHz.
    """

    words: str
    seconds: float
    changes: tuple[str, ...]
    doubts: tuple[str, ...]
    sound: bytes


def judge_folder(folder: Path, loudness: float | None) -> Judgement:
    """Read a voice's folder and judge its first clip, made as loud as `loudness` LUFS.

    Takes a while, and memory. Raises VoiceError.
    """
    voice = read_voice(folder)
    clip = _mended_clips(voice, loudness)[0]
    return Judgement(
        voice.clips[0].text,
        _seconds_of([clip]),
        clip.changes,
        clip.doubts,
        to_pcm(resample(clip.samples, SAMPLE_RATE, RECOGNISED_RATE)),
    )


def state_of(config: Config, voice: Voice) -> str:
    """Return how long a voice's clips are, with what is doubtful of them; or why it is no use."""
    if voice.fault:
        return "cannot be used, as said above"
    try:
        clips = _mended_clips(voice, config.csm.clip_loudness)
    except VoiceError as error:
        return f"cannot be used: {error}"
    doubts = [doubt for clip in clips for doubt in clip.doubts]
    paces = (
        pace_of(clip.text, _seconds_of([one])) for clip, one in zip(voice.clips, clips, strict=True)
    )
    doubts += [pace.doubt for pace in paces if pace.doubt]
    return "; ".join([f"{_seconds_of(clips):.1f} s", *doubts])


def _mended_clips(voice: Voice, loudness: float | None) -> list[Mended]:
    """Do to the clips what CSM's process does. Raises VoiceError."""
    return [mend_file(Path(clip.path), loudness) for clip in voice.clips]


def _seconds_of(clips: list[Mended]) -> float:
    """Return how long they are together."""
    return sum(len(clip.samples) for clip in clips) / SAMPLE_RATE
