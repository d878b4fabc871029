"""What both sides are given: a clip, its words, a text to speak, and how many frames of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wyoming_csm.audio import SAMPLE_RATE, Samples, read_clip
from wyoming_csm.config import Config
from wyoming_csm.voice_book import VoiceBook
from wyoming_csm.voices import Voice
from wyoming_csm.worker.csm.voice_prompts import speaker_of

TEXT = "The light in the kitchen is on, and it is raining."
_CLIP_TEXT = "This sound was made for a comparison."
_CLIP_SECONDS = 11  # more than the 10 s that the codec's attention reaches back


@dataclass(frozen=True)
class Case:
    """A voice's recording [samples] at 24 kHz with its words, then what is to be spoken."""

    voice: str  # for the reader
    speaker: int
    clip: Samples
    clip_text: str
    text: str
    frames: int


def make_case(config: Config, text: str, frames: int) -> Case:
    """With the configured voice's first clip, or with a sound that is made here.

    Raises VoiceError.
    """
    voice, text = _recorded(config), _plain(text)
    if voice is None:
        return Case("a generated sound", 0, make_sound(), _CLIP_TEXT, text, frames)
    clip = voice.clips[0]
    samples = read_clip(Path(clip.path))
    return Case(f"voice {voice.name}", speaker_of(voice), samples, _plain(clip.text), text, frames)


def make_sound(seconds: float = _CLIP_SECONDS) -> Samples:
    """A gliding tone with overtones and some noise, louder and softer: always the same."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    angle = 2 * np.pi * (140 * time + 12 * np.sin(2 * time))
    tone = sum(np.sin(n * angle) / n for n in range(1, 9))
    noise = np.random.default_rng(0).standard_normal(len(time))
    loudness = 0.55 + 0.45 * np.sin(9 * time)
    sound: Samples = (0.15 * loudness * (tone + 0.2 * noise)).astype(np.float32)
    return sound


def _plain(text: str) -> str:
    """Without what this engine drops on purpose (see `prompt`) and transformers would take for a
    speaker's tag or a control token."""
    return text.encode("utf-8", "replace").decode().replace("[", "").replace("<|", "")


def _recorded(config: Config) -> Voice | None:
    book = VoiceBook(Path(config.voices))
    book.refresh()
    return next((v for v in book.voices if v.name == config.voice and v.clips), None)
