"""Logits of frames that are given: what the model would have said next, whatever it chose."""

import torch
import torch.nn.functional as F
from torch import Tensor

from wyoming_csm.model.csm import ABSENT, CsmModel
from wyoming_csm.model.kv_cache import KvCache

_ROWS = 16  # of the depth decoder at a time


@torch.inference_mode()
def teacher_forced(model: CsmModel, prompt: Tensor, codes: Tensor) -> Tensor:
    """Return logits [codebooks, frames, codebook_size] of `codes` [frames, codebooks].

    `prompt` [positions, codebooks + 1] as `PromptBuilder` makes it. Each code's logits are those
    after the prompt and the codes before it, not after what the model itself would have chosen.
    """
    sizes, device, depth = model.sizes, model.device, model.depth
    frames = F.pad(codes[:-1].cpu(), (0, 1), value=ABSENT)
    whole = torch.cat((prompt, frames))  # nothing comes after the last frame
    cache = KvCache.allocate(sizes.backbone, 1, len(whole), model.dtype, device)
    states = model.backbone.prefill(model.embed_prompt(whole)[None], 0, cache)[0, len(prompt) - 1 :]
    mask, steps = depth.start_mask(), depth.steps()
    logits: list[list[Tensor]] = [[] for _ in range(sizes.codebooks)]
    parts = zip(torch.split(states, _ROWS), torch.split(codes.to(device), _ROWS), strict=True)
    for hidden, given in parts:
        cache = KvCache.allocate(sizes.depth, len(given), sizes.codebooks, model.dtype, device)
        logits[0].append(model.first_logits(hidden))
        logits[1].append(depth.start(hidden, given[:, 0], cache, mask))
        for codebook, step in enumerate(steps, start=1):
            logits[codebook + 1].append(depth.step(given[:, codebook], step, cache))
    return torch.stack([torch.cat(found).float() for found in logits])
