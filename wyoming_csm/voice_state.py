"""What can be said of a recorded voice: how long its clips are, and what is doubtful of them."""

from wyoming_csm.clip_pace import pace_of
from wyoming_csm.config import Config
from wyoming_csm.errors import VoiceError
from wyoming_csm.voice_folders import mended_clips, seconds_of
from wyoming_csm.voices import Voice


def state_of(config: Config, voice: Voice) -> str:
    """Return how long a voice's clips are, with what is doubtful of them; or why it is no use."""
    if voice.fault:
        return "cannot be used, as said above"
    try:
        clips = mended_clips(config, voice)
    except VoiceError as error:
        return f"cannot be used: {error}"
    doubts = [doubt for clip in clips for doubt in clip.doubts]
    paces = (
        pace_of(clip.text, seconds_of([one])) for clip, one in zip(voice.clips, clips, strict=True)
    )
    doubts += [pace.doubt for pace in paces if pace.doubt]
    return "; ".join([f"{seconds_of(clips):.1f} s", *doubts])
