"""Attention that reads what it needs: the call itself, and how many positions a step reads."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from wyoming_csm.model.config import LlamaSizes
from wyoming_csm.model.flash import flash, serves
from wyoming_csm.model.kv_cache import KvCache

# One layer's attention: its cache [rows, kv_heads, 2, positions, head_dim], q [rows, n, heads,
# head_dim], keys and values [rows, n, 2 * kv_heads, head_dim] → [rows * n, heads * head_dim].
# It writes the keys and values into the cache first.
Attention = Callable[[Tensor, Tensor, Tensor], Tensor]

_MULTIPLE = 64
_GROWTH = 1.33
_ALIGNMENT = 16  # numbers: CUDA's kernels read a mask whose rows begin at a multiple of so many


def length_bucket(n: int) -> int:
    """The length to read for rows that hold up to `n` positions.

    A multiple of 64 that is at most 1.33 · n (from 193 on), out of few: 13 below 2112.
    """
    bucket = _MULTIPLE
    while bucket < n:
        bucket = max(bucket + _MULTIPLE, int(_GROWTH * (bucket + 1)) // _MULTIPLE * _MULTIPLE)
    return bucket


def longest_bucket(positions: int) -> int:
    """The longest length that is read of a slot with so many positions."""
    return -(-positions // _MULTIPLE) * _MULTIPLE


def length_buckets(positions: int) -> list[int]:
    """All lengths that are read of a slot with so many positions, ascending."""
    longest = longest_bucket(positions)
    found = [min(length_bucket(1), longest)]
    while found[-1] < positions:
        found.append(min(length_bucket(found[-1] + 1), longest))
    return found


def prefix_mask(start: int, n: int, group: int, like: Tensor) -> Tensor | None:
    """[group * n, start + n]: what each of `n` positions from `start` on may not hear is -inf.

    `group`: q heads that share a kv head; `like`: for type and device. None: a single position
    hears all of it.
    """
    if n == 1:
        return None
    end = start + n
    # Its rows begin where CUDA's kernels want them to: else each layer copies it.
    future = torch.full((n, _aligned(end)), -torch.inf, dtype=like.dtype, device=like.device)
    return future.triu_(start + 1).repeat(group, 1)[:, :end]


def prefix_attention(start: int, n: int, mask: Tensor | None) -> Attention:
    """Of `n` positions from `start` on in every row, each to those that the mask leaves it."""
    end = start + n

    def attend(layer: Tensor, q: Tensor, kv: Tensor) -> Tensor:
        rows, kv_heads = layer.shape[:2]
        written = kv.view(rows, n, 2, kv_heads, -1).permute(
            0, 3, 2, 1, 4
        )  # [rows, kv_heads, 2, n, …]
        layer[:, :, :, start:end].copy_(written)
        group = q.shape[2] // kv_heads
        q = q.reshape(rows, n, kv_heads, group, -1).permute(
            0, 2, 3, 1, 4
        )  # [rows, kv, group, n, …]
        q = q.reshape(rows * kv_heads, 1, group * n, -1)
        heard = F.scaled_dot_product_attention(q, *_read(layer, end), mask)
        heard = heard.view(rows, kv_heads, group, n, -1).permute(0, 3, 1, 2, 4)
        return heard.reshape(rows * n, -1)

    return attend


class StepMasks:
    """What a step may hear of its cache: made once for all layers."""

    def __init__(
        self, sizes: LlamaSizes, positions: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        """`positions`: of a slot, at most."""
        span = torch.arange(longest_bucket(positions) + _MULTIPLE, device=device)
        self._span = span.expand(sizes.kv_heads, len(span))
        self._heard = torch.zeros((), dtype=dtype, device=device)
        self._unheard = torch.full((), -torch.inf, dtype=dtype, device=device)
        self._is_needless = serves(sizes, dtype, device)

    def __call__(self, positions: Tensor) -> Tensor | None:
        """[rows * kv_heads, 1, 1, all]: 0 up to each row's position [rows], then -inf.

        As wide as a slot whatever is read of it: so CUDA's kernels can take any part of it.
        None where flash-attn works: it needs no mask.
        """
        if self._is_needless:
            return None
        past = self._span <= positions[:, None, None]  # [rows, kv_heads, all]
        mask = torch.where(past, self._heard, self._unheard)
        return mask.view(-1, 1, 1, past.shape[2])


def step_attention(
    positions: Tensor, cache: KvCache, mask: Tensor | None, length: int
) -> Attention:
    """Of one position of each row, its own [rows], to what the mask of `StepMasks` leaves.

    All of it is below `length`, which is less than the cache's: a compiler that leaves it open
    need not ask whether all of the cache is read. Without a mask flash-attn attends.
    """
    if mask is None:
        return _flash_attention(positions)
    slots = torch.arange(len(positions), device=positions.device)

    def attend(layer: Tensor, q: Tensor, kv: Tensor) -> Tensor:
        rows, kv_heads = layer.shape[:2]
        layer[slots, :, :, positions] = kv.view(rows, 2, kv_heads, -1).transpose(1, 2)
        # The q heads that share a kv head are query positions of it: nothing is expanded, and
        # CUDA's memory-efficient kernel takes the mask.
        q = q.reshape(rows * kv_heads, 1, -1, q.shape[-1])
        read = _read(layer, length)
        heard = F.scaled_dot_product_attention(q, *read, mask[..., :length])
        return heard.view(rows, -1)

    return attend


def static_attention(position: Tensor, past: Tensor) -> Attention:
    """Of one position [1], the same of every row, to the `past` of a small cache: bool [positions].

    Sums of products, which a compiler fuses into few loops: no number that changes from one
    position to the next is in the code. What is not past may be NaN, of a sentence before.
    """

    def attend(layer: Tensor, q: Tensor, kv: Tensor) -> Tensor:
        rows, kv_heads, _, _, head_dim = layer.shape
        layer[:, :, :, position] = kv.view(rows, 2, kv_heads, 1, head_dim).transpose(1, 2)
        both = layer[:, :, :, None, : len(past)].float()  # [rows, kv, 2, 1, n, dim]
        keys, values = torch.where(past[:, None], both, 0).unbind(2)
        wide = q.view(rows, kv_heads, -1, 1, head_dim).float()  # [rows, kv, group, 1, dim]
        scores = (wide * keys).sum(-1) * head_dim**-0.5  # [rows, kv, group, n]
        scores = torch.where(past, scores, -torch.inf)[..., None]
        if (
            layer.is_cuda
        ):  # of the products' shape it is no kernel of its own; a CPU would repeat it
            scores = scores.expand(*scores.shape[:-1], head_dim)
        heard = (scores.softmax(-2) * values).sum(-2)  # [rows, kv, group, dim]
        return heard.to(q.dtype).view(rows, -1)

    return attend


def _read(layer: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Keys and values [rows * kv_heads, 1, length, head_dim]: views, the rest is not touched.

    One head each: what CUDA's kernels make of several comes back in another order.
    """
    keys, values = layer[:, :, :, :length].flatten(0, 1).unsqueeze(2).unbind(1)
    return keys, values


def _aligned(length: int) -> int:
    return -(-length // _ALIGNMENT) * _ALIGNMENT


def _flash_attention(positions: Tensor) -> Attention:
    """flash-attn reads each row's real length, from the device: the cache is the only bucket."""
    lengths = (positions + 1).to(torch.int32)
    slots = torch.arange(len(positions), device=positions.device)

    def attend(layer: Tensor, q: Tensor, kv: Tensor) -> Tensor:
        rows, kv_heads = layer.shape[:2]
        layer[slots, :, :, positions] = kv.view(rows, 2, kv_heads, -1).transpose(1, 2)
        keys, values = layer.permute(2, 0, 3, 1, 4)  # [rows, positions, kv_heads, head_dim]
        heard: Tensor = flash(q, keys, values, lengths)  # [rows, 1, heads, head_dim]
        return heard.view(rows, -1)

    return attend
