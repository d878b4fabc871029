"""Codes as transformers makes them, whatever its version, and whether others differ by a tie only.

A tie: of the two vectors named, float64 distances to what is to be named differ by less than
1e-4 of themselves. Rounding may decide there; what follows in that frame then follows from it.
"""

import copy
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import MimiModel

from tests.tiny_mimi import forget_embeddings, latents_of

TIE = 1e-4
_STATE = ("encoder_past_key_values", "encoder_cache", "padding_cache")  # renamed in 5.24


@torch.no_grad()
def encode_whole(model: MimiModel, samples: Tensor, codebooks: int) -> Tensor:
    """[samples] → [frames, codebooks]."""
    found: Tensor = model.encode(samples[None, None], num_quantizers=codebooks).audio_codes
    return found[0].T


@torch.no_grad()
def encode_in_windows(model: MimiModel, samples: Tensor, codebooks: int, window: int) -> Tensor:
    """The same, `window` samples at a time with transformers' caches; a begun frame is filled up
    with silence, so its codes are others."""
    samples = pad(samples, (0, -len(samples) % model.config.frame_size))
    state: dict[str, Any] = {}
    made = []
    for piece in torch.split(samples, window):
        found: Any = model.encode(
            piece[None, None], num_quantizers=codebooks, use_streaming=True, **state
        )
        made.append(found.audio_codes[0].T)
        state = {name: getattr(found, name) for name in _STATE if hasattr(found, name)}
    return torch.cat(made)


class Judge:
    """Compares with a codec's codes; its float64 copy is made when something differs."""

    def __init__(self, model: MimiModel) -> None:
        self._model: Any = model

    @cached_property
    def _exact(self) -> Any:
        exact = copy.deepcopy(self._model).double()
        forget_embeddings(exact)
        return exact

    def gaps(self, samples: Tensor, one: Tensor, other: Tensor) -> list[float]:
        """For each frame of [samples] whose codes [frames, codebooks] differ, how far from a tie,
        in parts of the distance; the wider gap where meaning and sound both differ."""
        assert one.shape == other.shape
        frames = (one != other).any(dim=1).nonzero().flatten().tolist()
        if not frames:
            return []
        latents = latents_of(self._exact, samples.double())[..., : len(one)]
        quantizer: Any = self._exact.quantizer
        split = self._model.config.num_semantic_quantizers
        parts = {
            quantizer.semantic_residual_vector_quantizer: slice(None, split),
            quantizer.acoustic_residual_vector_quantizer: slice(split, None),
        }
        found = []
        for frame in frames:
            latent = latents[:, :, frame : frame + 1]
            pairs = [(p, one[frame, at], other[frame, at]) for p, at in parts.items()]
            found.append(max(_gap(part, latent, a, b) for part, a, b in pairs))
        return found


@torch.no_grad()
def _gap(part: Any, latent: Tensor, one: Tensor, other: Tensor) -> float:
    """At the first of the codes [codebooks] that differ; 0 if none does."""
    left = part.input_proj(latent)[0, :, 0]
    for layer, a, b in zip(part.layers, one.tolist(), other.tolist(), strict=False):
        table: Tensor = layer.codebook.embed
        if a != b:
            distances = (table[[a, b]] - left).norm(dim=1)
            return float((distances[0] - distances[1]).abs() / distances.min())
        left = left - table[a]
    return 0.0
