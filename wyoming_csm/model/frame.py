"""A frame in three parts, functions of tensors alone: as they are, or each compiled by itself."""

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wyoming_csm.model.attention import step_masks
from wyoming_csm.model.csm import CsmModel, DepthStep, is_end
from wyoming_csm.model.kv_cache import KvCache
from wyoming_csm.model.sampling import Sampling, draw_noise, noise_offsets, sample
from wyoming_csm.model.toolchain import said

_LOGGER = logging.getLogger(__name__)
_Layers = tuple[Tensor, ...]
# Of torch.compile. A product of one row becomes a kernel that norms, activations and sums join:
# without this it is cuBLAS's, each with a kernel before and after. A CPU has it without.
_OPTIONS: dict[str, str | int | bool | Callable[..., Any]] = {"coordinate_descent_tuning": True}


class FrameParts:
    """`start` makes codebooks 0 and 1, `step` each after them; `backbone` reads the whole frame.

    They work on the first rows of a state, in place. Compiled, each has one compilation for a
    single row and one for several, whatever the codebook and the length.
    """

    _start: Callable[..., tuple[Tensor, Tensor, Tensor]]
    _step: Callable[..., Tensor]
    _backbone: Callable[..., None]

    def __init__(self, model: CsmModel, sampling: Sampling) -> None:
        self._model, self._sampling = model, sampling
        k = min(max(sampling.top_k, sampling.depth_top_k), model.sizes.codebook_size)
        self._noise = noise_offsets(model.sizes.codebooks, k, model.device)
        sizes = model.sizes.backbone
        self._masks = step_masks(sizes, sizes.positions, model.dtype, model.device)
        self._span = torch.arange(sizes.positions + 64, device=model.device)
        self._start_mask, self._steps = model.depth.start_mask(), model.depth.steps()
        self._is_trial = False
        self._use_plain()

    def compile(self, trial: Callable[[], None], folder: Path) -> bool:
        """Compile the parts and cache the result in `folder`; False: they stay as they are.

        `trial` runs `decode_frame` and `backbone_step` for one row and, if there are more, then
        for two: that the number changes is how the compiler learns to leave it open.
        """

        def first_time() -> None:
            self._start = torch.compile(self.start_part, options=_OPTIONS)
            self._step = torch.compile(self.step_part, options=_OPTIONS)
            self._backbone = torch.compile(self.backbone_part, options=_OPTIONS)
            self._is_trial = True
            trial()

        if runs_compiled(first_time, folder):
            self._is_trial = False
            return True
        self._use_plain()
        return False

    def decode_frame(
        self,
        hidden: Tensor,
        seeds: Tensor,
        positions: Tensor,
        temperatures: Tensor,
        cache: KvCache,
    ) -> Tensor:
        """Return the codes [rows, codebooks] that follow the backbone's hidden [rows, width].

        The noise is that of seeds and positions [rows]; temperatures float32 [rows] are for the
        first codebook, and not used where the likeliest is always taken; `cache` is the depth
        decoder's.
        """
        layers, mask = cache.layers, self._start_mask
        first, second, noise = self._start(hidden, seeds, positions, temperatures, layers, mask)
        codes = [first, second]
        for step in self._steps:
            codes.append(self._step(codes[-1], noise, step, layers))
        return torch.stack(codes, dim=1)

    def backbone_step(
        self,
        codes: Tensor,
        hidden: Tensor,
        active: Tensor,
        positions: Tensor,
        cache: KvCache,
        length: int,
    ) -> None:
        """Read codes [rows, codebooks] at positions [rows] < length; hidden and positions go on.
        Those of rows that are not active [rows] stay."""
        # Outside of what is compiled, where each layer would make it anew.
        mask, span = self._masks(positions), self._span[:length]
        if self._is_trial:
            torch._dynamo.mark_dynamic(span, 0)
        self._backbone(codes, hidden, active, positions, cache.layers, mask, span)

    def start_part(
        self,
        hidden: Tensor,
        seeds: Tensor,
        positions: Tensor,
        temperatures: Tensor,
        layers: _Layers,
        mask: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return codebooks 0 and 1, [rows] each, and the frame's noise [rows, codebooks, k]. `mask`
        is that of the depth decoder's start."""
        noise = draw_noise(seeds, positions, self._noise)
        logits = self._model.first_logits(hidden)
        chosen = temperatures if self._sampling.temperature else 0.0
        code = sample(logits, chosen, self._sampling.top_k, noise[:, 0])
        logits = self._model.depth.start(hidden, code, KvCache(layers), mask)
        return code, self._sample(logits, noise[:, 1]), noise

    def step_part(self, code: Tensor, noise: Tensor, step: DepthStep, layers: _Layers) -> Tensor:
        """Return the next codebook's code [rows] after one of codebook 1 or later."""
        logits = self._model.depth.step(code, step, KvCache(layers))
        return self._sample(logits, noise.index_select(1, step.at.position)[:, 0])

    def backbone_part(
        self,
        codes: Tensor,
        hidden: Tensor,
        active: Tensor,
        positions: Tensor,
        layers: _Layers,
        mask: Tensor | None,
        span: Tensor,
    ) -> None:
        """Do as `backbone_step`; the length is that of `span`, which a compiler may leave open. The
        end is read as zeros, whatever is missing to them: so it stands in prompts."""
        x = self._model.embed_frames(codes.masked_fill(is_end(codes)[:, None], 0))
        following = self._model.backbone.step(x, positions, KvCache(layers), mask, len(span))
        hidden.copy_(torch.where(active[:, None], following, hidden))
        positions.add_(active)

    def _use_plain(self) -> None:
        self._start = self.start_part
        self._step = self.step_part
        self._backbone = self.backbone_part
        self._is_trial = False

    def _sample(self, logits: Tensor, noise: Tensor) -> Tensor:
        # In the type they have: the noise is in float32.
        return sample(logits, self._sampling.depth_temperature, self._sampling.depth_top_k, noise)


def runs_compiled(trial: Callable[[], None], folder: Path) -> bool:
    """Tell whether `trial`, the first call of compiled functions, could compile them; log why not.

    The result is cached in `folder`, which is for one process at a time, or where the user says:
    the next process that tries the same starts in seconds. Raises torch.OutOfMemoryError, which is
    the caller's to judge.
    """
    # Read whenever something is compiled.
    cache = Path(os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder.absolute())))
    unfinished = folder / "unfinished"
    try:
        if unfinished.exists() and cache == folder.absolute():
            shutil.rmtree(folder)  # a process was killed and may have left half a file
        folder.mkdir(parents=True, exist_ok=True)
        unfinished.touch()
        trial()
        unfinished.unlink()
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # of PyTorch, Triton, a C compiler: each has its own kinds
        inner = getattr(error, "inner_exception", error)  # the outer one only says what raised it
        _LOGGER.warning("torch.compile cannot be used here, it goes on without: %s", said(inner))
        return False
    return True
