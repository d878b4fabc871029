"""What is to be spoken, and this engine's side: codes of the clip, frames, their logits, sound."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from wyoming_csm.audio import SAMPLE_RATE, Samples, read_clip
from wyoming_csm.config import Config, CsmConfig
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.model.csm import is_end
from wyoming_csm.model.mimi.decoder import MimiDecoder
from wyoming_csm.model.mimi.weights import load_encoder
from wyoming_csm.model.pipeline import FrameHandle, FramePipeline
from wyoming_csm.model.prompt import Segment, TextTokenizer
from wyoming_csm.model.teacher_forcing import teacher_forced
from wyoming_csm.voice_book import VoiceBook
from wyoming_csm.worker.csm.load import Loaded, codec_tensors, load_pipeline
from wyoming_csm.worker.csm.voice_prompts import speaker_of

TEXT = "The light in the kitchen is on, and it is raining."
_CLIP_TEXT = "This sound was made for a comparison."
_CLIP_SECONDS = 11  # more than the 10 s that the codec's attention reaches back
STREAMED_FRAMES = 150  # of the clip: more than the 125 that the codec's attention reaches back


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
    """Make a case of the configured voice's first clip, or of a sound that is made here.

    Raises VoiceError.
    """
    book, text = VoiceBook(Path(config.voices)), _plain(text)
    book.refresh()
    voice = next((v for v in book.voices if v.name == config.voice and v.clips), None)
    if voice is None:
        return Case("a generated sound", 0, make_sound(), _CLIP_TEXT, text, frames)
    clip = voice.clips[0]
    samples = read_clip(Path(clip.path))
    return Case(f"voice {voice.name}", speaker_of(voice), samples, _plain(clip.text), text, frames)


def make_sound(seconds: float = _CLIP_SECONDS) -> Samples:
    """Make a gliding tone with overtones and some noise, louder and softer: always the same."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    angle = 2 * np.pi * (140 * time + 12 * np.sin(2 * time))
    tone = sum(np.sin(n * angle) / n for n in range(1, 9))
    noise = np.random.default_rng(0).standard_normal(len(time))
    loudness = 0.55 + 0.45 * np.sin(9 * time)
    sound: Samples = (0.15 * loudness * (tone + 0.2 * noise)).astype(np.float32)
    return sound


def _plain(text: str) -> str:
    """Leave out what this engine drops on purpose (see `prompt`) and transformers would take for a
    speaker's tag or a control token."""
    return text.encode("utf-8", "replace").decode().replace("[", "").replace("<|", "")


@dataclass(frozen=True)
class Setting:
    """What is compared and where: as the engine is configured, but greedy and with one slot."""

    config: CsmConfig
    checkpoint: Checkpoint
    device: torch.device
    data_dir: Path
    progress: Callable[[str], None]


@dataclass(frozen=True)
class Spoken:
    """What this engine said, all on the CPU."""

    tokens: list[int]  # of the text
    clip_codes: Tensor  # [frames, codebooks]
    codes: Tensor  # [frames, codebooks]: chosen greedily; the last may be the end's zeros
    logits: Tensor  # float32 [codebooks, frames, codebook_size], each after the codes before it
    sound: Tensor  # [samples] of the frames, without the end's
    clip_sound: Tensor  # [samples] of the clip's codes, streamed


def encode(setting: Setting, samples: Samples) -> Tensor:
    """Return a clip's codes [frames, codebooks], as the engine's child encodes it: on the CPU."""
    checkpoint = setting.checkpoint
    encoder = load_encoder(
        checkpoint.codec_config, codec_tensors(checkpoint), checkpoint.sizes.codebooks
    )
    return encoder.encode(torch.from_numpy(samples))


def load(setting: Setting) -> Loaded:
    """Load what the engine's child loads."""
    return load_pipeline(
        setting.config, setting.checkpoint, setting.data_dir, setting.device, setting.progress
    )


class Parts(NamedTuple):
    """What this side is made of; a test puts a fault into one of them."""

    encode: Callable[[Setting, Samples], Tensor] = encode
    load: Callable[[Setting], Loaded] = load


def speak(case: Case, setting: Setting, parts: Parts) -> Spoken:
    """Load, speak, and let go of everything.

    Raises CheckpointError, EngineUnavailable, PromptTooLong, torch.OutOfMemoryError.
    """
    setting.progress("encoding the clip")
    clip_codes = parts.encode(setting, case.clip).cpu()
    setting.progress("loading this engine")
    loaded = parts.load(setting)
    segment = Segment(case.speaker, case.clip_text, clip_codes)
    prompt = loaded.prompts.build([segment], case.speaker, case.text)
    if setting.device.type == "cuda":  # elsewhere there are no graphs, and nothing is timed here
        loaded.pipeline.capture(setting.progress)
    setting.progress(f"speaking {case.frames} frames")
    frames = min(case.frames, loaded.generator.positions - len(prompt))
    codes, sound = _say(loaded.pipeline, prompt, frames)
    return Spoken(
        TextTokenizer(setting.checkpoint).encode(case.speaker, case.text),
        clip_codes,
        codes,
        teacher_forced(loaded.generator.model, prompt, codes).cpu(),
        sound,
        _stream(loaded.decoder, clip_codes[:STREAMED_FRAMES], setting.device),
    )


def _say(pipeline: FramePipeline, prompt: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """Speak at most so many frames: their codes, the end's included, and samples without it."""
    pipeline.prefill(0, prompt, seed=0)
    pipeline.start_sound(0)
    launched: deque[FrameHandle] = deque()  # as in the engine, one may be ahead of those looked at
    made: list[tuple[Tensor, Tensor]] = []
    for n in range(frames + pipeline.ahead):
        if n < frames:
            launched.append(pipeline.launch([0]))
        if n >= pipeline.ahead:
            codes, samples = launched.popleft()()
            made.append((codes[0], samples[0]))
    codes = torch.stack([frame for frame, _ in made])
    ends = is_end(codes).tolist()
    n = ends.index(True) if True in ends else len(made)
    sound = [samples for _, samples in made[:n]]
    return codes[: n + 1], torch.cat([torch.empty(0), *sound])


@torch.inference_mode()
def _stream(decoder: MimiDecoder, codes: Tensor, device: torch.device) -> Tensor:
    """Decode codes [frames, codebooks] to samples, a frame at a time."""
    state = decoder.new_state(1, device)
    active = torch.ones(1, dtype=torch.bool, device=device)
    steps = [decoder.step(frame[None].to(device), state, active)[0].cpu() for frame in codes]
    return torch.cat(steps)
