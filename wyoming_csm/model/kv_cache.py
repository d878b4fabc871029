"""The keys and values of one transformer: allocated once, passed in, changed in place."""

from dataclasses import dataclass

import torch
from torch import Tensor

from wyoming_csm.model.config import LlamaSizes

# A copy of one slot's first positions: [layers, kv_heads, 2, positions, head_dim].
KvBlock = Tensor
_MULTIPLE = 64  # attention kernels like lengths that divide by it


@dataclass(frozen=True)
class KvCache:
    """The layers' tensors [slots, kv_heads, 2, positions, head_dim]: keys, then values.

    So both are written by one kernel, and the heads of the first slots are rows of one batch.
    There is at least one position more than asked for: a full slot's counter stands there while
    its neighbours step on.
    """

    layers: tuple[Tensor, ...]

    @classmethod
    def allocate(
        cls, sizes: LlamaSizes, slots: int, positions: int, dtype: torch.dtype, device: torch.device
    ) -> "KvCache":
        """Return zeros: a masked position still enters a product, and NaN times zero is NaN."""
        length = (positions // _MULTIPLE + 1) * _MULTIPLE
        shape = (slots, sizes.kv_heads, 2, length, sizes.head_dim)
        return cls(
            tuple(torch.zeros(shape, dtype=dtype, device=device) for _ in range(sizes.layers))
        )

    @property
    def positions(self) -> int:
        """The number of positions that a slot has room for."""
        return self.layers[0].shape[3]

    def first(self, rows: int) -> "KvCache":
        """Return the same memory, its first slots."""
        return KvCache(tuple(layer[:rows] for layer in self.layers))

    def slot(self, slot: int) -> "KvCache":
        """Return the same memory, one slot of it."""
        return KvCache(tuple(layer[slot : slot + 1] for layer in self.layers))

    def clear(self, start: int = 0) -> None:
        """Zero the positions from `start` on: what was there, NaN too, has no effect any more."""
        for layer in self.layers:
            layer[:, :, :, start:].zero_()

    def save(self, slot: int, n: int) -> KvBlock:
        """Return a copy of the slot's first `n` positions."""
        return torch.stack([layer[slot, :, :, :n] for layer in self.layers])

    def restore(self, slot: int, block: KvBlock) -> None:
        """Make the block's positions the slot's first; what follows them stays."""
        for layer, saved in zip(self.layers, block, strict=True):
            layer[slot, :, :, : block.shape[3]].copy_(saved)

    def move(self, source: int, target: int, n: int) -> None:
        """Copy the first `n` positions of a slot to another, and zero what that had beyond."""
        for layer in self.layers:
            layer[target, :, :, :n].copy_(layer[source, :, :, :n])
            layer[target, :, :, n:].zero_()
