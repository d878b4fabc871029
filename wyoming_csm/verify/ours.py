"""This engine's side: the clip's codes, frames as they are spoken, their logits, and the sound."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from wyoming_csm.audio import Samples
from wyoming_csm.config import CsmConfig
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.model.csm import is_end
from wyoming_csm.model.mimi.decoder import MimiDecoder
from wyoming_csm.model.mimi.weights import load_encoder
from wyoming_csm.model.pipeline import FrameHandle, FramePipeline
from wyoming_csm.model.prompt import Segment, TextTokenizer
from wyoming_csm.model.teacher_forcing import teacher_forced
from wyoming_csm.verify.case import Case
from wyoming_csm.worker.csm.load import Loaded, codec_tensors, load_pipeline

STREAMED_FRAMES = 150  # of the clip: more than the 125 that the codec's attention reaches back


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
    """All on the CPU."""

    tokens: list[int]  # of the text
    clip_codes: Tensor  # [frames, codebooks]
    codes: Tensor  # [frames, codebooks]: chosen greedily; the last may be the end's zeros
    logits: Tensor  # float32 [codebooks, frames, codebook_size], each after the codes before it
    sound: Tensor  # [samples] of the frames, without the end's
    clip_sound: Tensor  # [samples] of the clip's codes, streamed


def encode(setting: Setting, samples: Samples) -> Tensor:
    """Codes [frames, codebooks] of a clip, as the engine's child encodes it: on the CPU."""
    checkpoint = setting.checkpoint
    encoder = load_encoder(
        checkpoint.codec_config, codec_tensors(checkpoint), checkpoint.sizes.codebooks
    )
    return encoder.encode(torch.from_numpy(samples))


def load(setting: Setting) -> Loaded:
    """As the engine's child loads it."""
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
    codes, sound = _say(loaded.pipeline, prompt, case.frames)
    return Spoken(
        TextTokenizer(setting.checkpoint).encode(case.speaker, case.text),
        clip_codes,
        codes,
        teacher_forced(loaded.generator.model, prompt, codes).cpu(),
        sound,
        _stream(loaded.decoder, clip_codes[:STREAMED_FRAMES], setting.device),
    )


def _say(pipeline: FramePipeline, prompt: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """Codes of at most so many frames, the end's included, and samples without the end's."""
    pipeline.prefill(0, prompt, seed=0)
    pipeline.start_sound(0)
    frames = min(frames, pipeline.positions_left(0))
    launched: deque[FrameHandle] = deque()  # as in the engine, one may be ahead of those looked at
    made: list[tuple[Tensor, Tensor]] = []
    for n in range(frames + pipeline.ahead):
        if n < frames:
            launched.append(pipeline.launch([0]))
        if n >= pipeline.ahead:
            codes, samples = launched.popleft().wait()
            made.append((codes[0], samples[0]))
    codes = torch.stack([frame for frame, _ in made])
    ends = is_end(codes).tolist()
    n = ends.index(True) if True in ends else len(made)
    sound = [samples for _, samples in made[:n]]
    return codes[: n + 1], torch.cat([torch.empty(0), *sound])


@torch.inference_mode()
def _stream(decoder: MimiDecoder, codes: Tensor, device: torch.device) -> Tensor:
    """Samples of codes [frames, codebooks], a frame at a time."""
    state = decoder.new_state(1, device)
    active = torch.ones(1, dtype=torch.bool, device=device)
    steps = [decoder.step(frame[None].to(device), state, active)[0].cpu() for frame in codes]
    return torch.cat(steps)
