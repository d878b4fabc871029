"""Logits to codes: Gumbel-max over the top k, with noise that seed and position make."""

import dataclasses
import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from wyoming_csm.errors import CheckpointError

_LOGGER = logging.getLogger(__name__)

# What generation_config.json may ask for and this engine does not do, with what means "off".
_NOT_DONE: dict[str, tuple[object, ...]] = {
    "top_p": (1, None),
    "min_p": (0, None),
    "typical_p": (1, None),
    "epsilon_cutoff": (0, None),
    "eta_cutoff": (0, None),
    "repetition_penalty": (1, None),
    "no_repeat_ngram_size": (0, None),
    "num_beams": (1, None),
    "penalty_alpha": (0, None),
    "guidance_scale": (1, None),
}


@dataclasses.dataclass(frozen=True)
class Sampling:
    """How codes are drawn, `depth_…` those of codebooks from 1 on; temperature 0: the likeliest."""

    temperature: float = 0.9
    top_k: int = 50
    depth_temperature: float = 0.9
    depth_top_k: int = 50

    @classmethod
    def from_generation_config(cls, config: Mapping[str, Any]) -> "Sampling":
        """Read the parsed `generation_config.json`; absent keys mean what transformers takes.

        Raises CheckpointError.
        """
        temperature, top_k = _read(config, "")
        depth_temperature, depth_top_k = _read(config, "depth_decoder_")
        return cls(temperature, top_k, depth_temperature, depth_top_k)

    def replaced(self, **wanted: Any) -> "Sampling":
        """Return a copy with the fields that are given and not None."""
        return dataclasses.replace(self, **{k: v for k, v in wanted.items() if v is not None})


def noise_offsets(codebooks: int, k: int, device: torch.device) -> Tensor:
    """What tells the numbers of one frame's noise apart: int64 [codebooks, k]."""
    return (torch.arange(codebooks * k, device=device) * _GOLDEN).view(codebooks, k)


def draw_noise(seeds: Tensor, positions: Tensor, offsets: Tensor) -> Tensor:
    """Gumbel noise of frames with these seeds at these positions: float32 [slots, codebooks, k].

    A hash of seed, position and offset (the end of splitmix64), not the next numbers of a
    generator: nothing is drawn on the host, and one seed gives one sentence's noise whatever the
    neighbours are and wherever it is drawn.
    """
    x = torch.add(seeds, positions, alpha=_STRIDE)[:, None, None] + offsets
    x = (x ^ ((x >> 30) & 0x3FFFFFFFF)) * _MIX
    x = (x ^ ((x >> 27) & 0x1FFFFFFFFF)) * _MIX_AGAIN
    uniform = (((x >> 41) & 0x7FFFFF).float() + 0.5) * 2**-23  # exact, never 0 or 1
    return uniform.log_().neg_().log_().neg_()


def sample(logits: Tensor, temperature: float | Tensor, top_k: int, noise: Tensor) -> Tensor:
    """logits float32 [slots, entries] and noise [slots, ≥ top_k] to codes [slots].

    The likeliest of `logits / temperature + noise` is a draw from the softmax (Gumbel-max), here
    of the `top_k` likeliest; the same is that of `logits + temperature * noise`, where 0 is no
    exception. A temperature for each row is float32 [slots]. Static shapes, no read by the host,
    rows independent of each other.
    """
    if isinstance(temperature, float | int) and temperature == 0:
        return logits.argmax(dim=-1)
    k = min(top_k, logits.shape[-1])
    values, entries = logits.topk(k, dim=-1)  # [slots, k]
    if isinstance(temperature, Tensor):
        odds = torch.addcmul(values, noise[:, :k], temperature[:, None])
    else:
        odds = torch.add(noise[:, :k], values, alpha=1 / temperature)
    return entries.gather(-1, odds.argmax(dim=-1, keepdim=True))[:, 0]


def _read(config: Mapping[str, Any], prefix: str) -> tuple[float, int]:
    for key, off in _NOT_DONE.items():
        value = config.get(prefix + key)
        if value not in off:
            _LOGGER.warning("generation_config.json: %s%s is ignored", prefix, key)
    do_sample = config.get(prefix + "do_sample", False)
    temperature = config.get(prefix + "temperature", 1.0)
    top_k = config.get(prefix + "top_k", 50)
    if temperature is None:
        temperature = 1.0
    if top_k is None:
        top_k = 0
    if not isinstance(do_sample, bool | None):
        raise CheckpointError(f"generation_config.json: {prefix}do_sample must be true or false")
    if type(temperature) not in (int, float) or not 0 <= temperature <= 100:  # true is no number
        raise CheckpointError(f"generation_config.json: {prefix}temperature is {temperature!r}")
    if type(top_k) is not int or top_k < 0:
        raise CheckpointError(f"generation_config.json: {prefix}top_k is {top_k!r}")
    return (float(temperature) if do_sample else 0.0), (top_k or _EVERY_CODE)


_EVERY_CODE = 2**24  # transformers' "no top-k"
# Odd 64-bit constants, written as signed numbers: splitmix64's, and one more to stride by.
_GOLDEN = 0x9E3779B97F4A7C15 - 2**64
_STRIDE = 0xD1342543DE82EF95 - 2**64
_MIX = 0xBF58476D1CE4E5B9 - 2**64
_MIX_AGAIN = 0x94D049BB133111EB - 2**64
