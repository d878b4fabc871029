"""A frame in three parts, functions of tensors alone: as they are, or each compiled by itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wyoming_csm.model.attention import StepMasks, static_attention
from wyoming_csm.model.compiled import runs_compiled
from wyoming_csm.model.csm import CsmModel, is_end
from wyoming_csm.model.kv_cache import KvCache
from wyoming_csm.model.sampling import Sampling, draw_noise, noise_offsets, sample

_Layers = tuple[Tensor, ...]
# Of torch.compile. A product of one row becomes a kernel that norms, activations and sums join:
# without this it is cuBLAS's, each with a kernel before and after. A CPU has it without.
_OPTIONS: dict[str, str | int | bool | Callable[..., Any]] = {"coordinate_descent_tuning": True}


class _DepthStep(NamedTuple):
    """What tells one of the depth decoder's steps from another: the code is the same."""

    position: Tensor  # [1]: of the code that is heard; of the one that is made, too
    entries: Tensor  # [audio_vocabulary, width]: the embeddings of the code that is heard
    head: nn.Module
    cos: Tensor  # [1, 1, head_dim]
    sin: Tensor
    past: Tensor  # bool [codebooks]: the positions it hears


class FrameParts:
    """`start` makes codebooks 0 and 1, `step` each after them; `hear` is the backbone's.

    They work on the first rows of a state, in place. Compiled, each has one compilation for a
    single row and one for several, whatever the codebook and the length.
    """

    def __init__(self, model: CsmModel, sampling: Sampling) -> None:
        self._model, self._sampling = model, sampling
        k = min(max(sampling.top_k, sampling.depth_top_k), model.sizes.codebook_size)
        self._noise = noise_offsets(model.sizes.codebooks, k, model.device)
        self._places = _places(model)
        sizes = model.sizes.backbone
        self._masks = StepMasks(sizes, sizes.positions, model.dtype, model.device)
        self._span = torch.arange(sizes.positions + 64, device=model.device)
        self._start_mask = model.depth.start_mask()
        self._compiled: _Compiled | None = None

    def compile(self, trial: Callable[[], None], folder: Path) -> bool:
        """Compile the parts, keeping the result in `folder`; False: they stay as they are.

        `trial` runs `spell` and `hear` for one row and, if there are more, then for two: that
        the number changes is how the compiler learns to leave it open.
        """

        def first_time() -> None:
            self._compiled = _Compiled(self)
            trial()
            self._compiled.trying = False

        if runs_compiled(first_time, folder):
            return True
        self._compiled = None
        return False

    def decode_frame(
        self, hidden: Tensor, seeds: Tensor, positions: Tensor, cache: KvCache
    ) -> Tensor:
        """The backbone's hidden [rows, width] to the frame's codes [rows, codebooks].

        With the noise of seeds and positions [rows]; `cache`: the depth decoder's.
        """
        if self._compiled is not None:
            return self._compiled.decode_frame(hidden, seeds, positions, cache.layers)
        depth = self._model.depth
        noise = draw_noise(seeds, positions, self._noise)
        codes = [self._first(hidden, noise)]
        logits = depth.start(hidden, codes[0], cache, self._start_mask)
        codes.append(self._sample(logits, noise[:, 1]))
        for codebook in range(1, noise.shape[1] - 1):
            logits = depth.step(codes[-1], codebook, cache)
            codes.append(self._sample(logits, noise[:, codebook + 1]))
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
        """codes [rows, codebooks] at positions [rows] < length; hidden and positions go on.

        Those of rows that are not active [rows] stay.
        """
        hear = self.backbone_part if self._compiled is None else self._compiled.backbone_step
        # Outside of what is compiled, where each layer would make it anew.
        mask = self._masks(positions)
        hear(codes, hidden, active, positions, cache.layers, mask, self._span[:length])

    def start_part(
        self, hidden: Tensor, seeds: Tensor, positions: Tensor, layers: _Layers, mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Codebooks 0 and 1, [rows] each, and the whole frame's noise [rows, codebooks, k].

        `mask`: the depth decoder's, of its start.
        """
        noise = draw_noise(seeds, positions, self._noise)
        code = self._first(hidden, noise)
        logits = self._model.depth.start(hidden, code, KvCache(layers), mask)
        return code, self._sample(logits, noise[:, 1]), noise

    def step_part(self, code: Tensor, noise: Tensor, place: _DepthStep, layers: _Layers) -> Tensor:
        """From one codebook's code [rows] ≥ 1 to the next one's."""
        x = F.embedding(code, place.entries)[:, None]
        attend = static_attention(place.position, place.past)
        transformer = self._model.depth.transformer
        hidden = transformer.run(x, place.cos, place.sin, attend, KvCache(layers))
        logits: Tensor = place.head(hidden[:, 0])  # in what type it is: the noise is in float32
        return self._sample(logits, noise.index_select(1, place.position)[:, 0])

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
        """As `hear`; the length is that of `span`, which a compiler may leave open.

        The end is heard as zeros, whatever is missing to them: so it stands in prompts.
        """
        x = self._model.embed_frames(codes.masked_fill(is_end(codes)[:, None], 0))
        heard = self._model.backbone.step(x, positions, KvCache(layers), mask, len(span))
        hidden.copy_(torch.where(active[:, None], heard, hidden))
        positions.add_(active)

    def _first(self, hidden: Tensor, noise: Tensor) -> Tensor:
        logits = self._model.first_logits(hidden)
        return sample(logits, self._sampling.temperature, self._sampling.top_k, noise[:, 0])

    def _sample(self, logits: Tensor, noise: Tensor) -> Tensor:
        return sample(logits, self._sampling.depth_temperature, self._sampling.depth_top_k, noise)

    @property
    def start_mask(self) -> Tensor:
        """Of the depth decoder's first two positions."""
        return self._start_mask

    @property
    def places(self) -> tuple[_DepthStep, ...]:
        """Of the steps after the start."""
        return self._places


class _Compiled:
    """The parts of a frame, compiled when they are first called."""

    def __init__(self, parts: FrameParts) -> None:
        self._places = parts.places
        self._start_mask = parts.start_mask
        self._start = torch.compile(parts.start_part, options=_OPTIONS)
        self._step = torch.compile(parts.step_part, options=_OPTIONS)
        self._hear = torch.compile(parts.backbone_part, options=_OPTIONS)
        self.trying = True

    def decode_frame(
        self, hidden: Tensor, seeds: Tensor, positions: Tensor, layers: _Layers
    ) -> Tensor:
        code, following, noise = self._start(hidden, seeds, positions, layers, self._start_mask)
        codes = [code, following]
        for place in self._places:
            codes.append(self._step(codes[-1], noise, place, layers))
        return torch.stack(codes, dim=1)

    def backbone_step(
        self,
        codes: Tensor,
        hidden: Tensor,
        active: Tensor,
        positions: Tensor,
        layers: _Layers,
        mask: Tensor | None,
        span: Tensor,
    ) -> None:
        if self.trying:
            torch._dynamo.mark_dynamic(span, 0)
        self._hear(codes, hidden, active, positions, layers, mask, span)


def _places(model: CsmModel) -> tuple[_DepthStep, ...]:
    depth, codebooks = model.depth, model.sizes.codebooks
    cos, sin = depth.transformer.cos, depth.transformer.sin
    past = torch.ones(codebooks, codebooks, dtype=torch.bool, device=model.device).tril_()
    return tuple(
        _DepthStep(
            # A tensor of its own: compiled code copies what does not begin at 16 bytes.
            torch.full((1,), p, device=model.device),
            depth.entries(p - 1),
            depth.heads[p - 1],
            cos[p : p + 1, None],
            sin[p : p + 1, None],
            past[p],
        )
        for p in range(2, codebooks)
    )
