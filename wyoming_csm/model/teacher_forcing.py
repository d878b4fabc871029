"""Logits of frames that are given: what the model would have said next, whatever it chose."""

import torch
import torch.nn.functional as F
from torch import Tensor

from wyoming_csm.model.csm import ABSENT, CsmModel
from wyoming_csm.model.kv_cache import KvCache

_AT_ONCE = 16  # rows of the depth decoder, as a step has them


@torch.inference_mode()
def teacher_forced(model: CsmModel, prompt: Tensor, codes: Tensor) -> Tensor:
    """Logits [codebooks, frames, codebook_size] of `codes` [frames, codebooks] after `prompt`.

    `prompt` [positions, codebooks + 1] as `PromptBuilder` makes it. Each code's logits are those
    after the prompt and the codes before it, not after what the model itself would have chosen.
    """
    sizes, device = model.sizes, model.device
    frames = F.pad(codes[:-1].cpu(), (0, 1), value=ABSENT)
    rows = torch.cat((prompt, frames))  # the last frame is only said, not heard
    cache = KvCache.allocate(sizes.backbone, 1, len(rows), model.dtype, device)
    hidden = model.backbone.prefill(model.embed_prompt(rows)[None], 0, cache)[0, len(prompt) - 1 :]
    codes = codes.to(device)
    logits: list[list[Tensor]] = [[] for _ in range(sizes.codebooks)]
    for start in range(0, len(codes), _AT_ONCE):
        heard, spoken = hidden[start : start + _AT_ONCE], codes[start : start + _AT_ONCE]
        spelling = KvCache.allocate(sizes.depth, len(heard), sizes.codebooks, model.dtype, device)
        logits[0].append(model.first_logits(heard))
        logits[1].append(model.depth.start(heard, spoken[:, 0], spelling))
        for codebook in range(1, sizes.codebooks - 1):
            logits[codebook + 1].append(model.depth.step(spoken[:, codebook], codebook, spelling))
    return torch.stack([torch.cat(parts) for parts in logits])
