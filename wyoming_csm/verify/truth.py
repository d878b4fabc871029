"""transformers' answers to what this engine was asked, after it has let go of the memory."""

from dataclasses import dataclass

import torch
from torch import Tensor

from wyoming_csm.model.csm import is_end
from wyoming_csm.verify.case import Case
from wyoming_csm.verify.ours import STREAMED_FRAMES, Setting, Spoken
from wyoming_csm.verify.reference import Reference, tokenize
from wyoming_csm.worker.csm.device import Precision, kind_of


@dataclass(frozen=True)
class Truth:
    """All on the CPU; logits are float32 [codebooks, frames, codebook_size]."""

    tokens: list[int]
    clip_codes: Tensor  # [frames, codebooks], ours where there is a tie
    ties: int
    rounding: dict[str, float]  # of each quantised weight, its error in parts of what is allowed
    plain: Tensor  # logits in float32
    exact: Tensor  # the same, with each weight as its quantised codes stand for it
    own: Tensor | None  # those in the type that the engine computes in; None: float32
    sound: Tensor  # [samples] of our frames
    clip_sound: Tensor


def ask(
    case: Case, spoken: Spoken, setting: Setting, types: Precision, place: torch.device
) -> Truth:
    """Load the reference once, on `place`; its weights are rounded where they are.

    For a quantised type it is given the same rounded weights: what rounding them costs is no
    fault within the type's own bound, what is then computed with them may be. Raises
    CheckpointError, torch.OutOfMemoryError.
    """
    progress, checkpoint = setting.progress, setting.checkpoint
    progress("loading transformers' model")
    reference = Reference(checkpoint, place)
    progress("asking it in float32")
    clip_codes, ties = reference.clip(case.clip, spoken.clip_codes)
    ends = bool(is_end(spoken.codes[-1]))
    sound = reference.sound(spoken.codes[: len(spoken.codes) - ends])
    clip_sound = reference.sound(spoken.clip_codes[:STREAMED_FRAMES])
    tokens = tokenize(checkpoint, case.speaker, case.text)
    clip_tokens = tokenize(checkpoint, case.speaker, case.clip_text)
    prompt = [(clip_tokens, spoken.clip_codes), (tokens, None)]
    plain = exact = reference.logits(prompt, spoken.codes)
    rounding: dict[str, float] = {}
    backbone, depth = kind_of(types.backbone), kind_of(types.depth)
    if backbone or depth:
        progress(f"asking it with weights rounded to {types}")
        rounding = reference.quantize(backbone, depth)
        exact = reference.logits(prompt, spoken.codes)
    own = None
    if types.compute != torch.float32:
        progress(f"asking it in {str(types.compute).removeprefix('torch.')}")
        reference.convert(types.compute, setting.device)
        own = reference.logits(prompt, spoken.codes)
    return Truth(tokens, clip_codes, ties, rounding, plain, exact, own, sound, clip_sound)
