"""What can be said of a recorded voice: how long its clips are, and what is doubtful of them."""

from pathlib import Path

from wyoming_csm.audio import SAMPLE_RATE
from wyoming_csm.clip_pace import pace_of
from wyoming_csm.config import Config
from wyoming_csm.errors import VoiceError
from wyoming_csm.mending import Mended, mend_file
from wyoming_csm.voices import Voice


def state_of(config: Config, voice: Voice) -> str:
    """Return how long a voice's clips are, with what is doubtful of them; or why it is no use."""
    if voice.fault:
        return "cannot be used, as said above"
    try:
        clips = mended(config, voice)
    except VoiceError as error:
        return f"cannot be used: {error}"
    doubts = [doubt for clip in clips for doubt in clip.doubts]
    paces = (
        pace_of(clip.text, seconds_of([one])) for clip, one in zip(voice.clips, clips, strict=True)
    )
    doubts += [pace.doubt for pace in paces if pace.doubt]
    return "; ".join([f"{seconds_of(clips):.1f} s", *doubts])


def mended(config: Config, voice: Voice) -> list[Mended]:
    """Do to the clips what CSM's process does. Raises VoiceError."""
    return [mend_file(Path(clip.path), config.csm.clip_loudness) for clip in voice.clips]


def seconds_of(clips: list[Mended]) -> float:
    """Return how long clips are together."""
    return sum(len(clip.samples) for clip in clips) / SAMPLE_RATE
