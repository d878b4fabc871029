"""The keys and values of one transformer: allocated once, passed in, changed in place."""

from dataclasses import dataclass

import torch
from torch import Tensor

from wyoming_csm.model.sizes import LlamaSizes

_MULTIPLE = 64  # attention kernels like lengths that divide by it


@dataclass(frozen=True)
class KvCache:
    """Per layer [slots, kv_heads, positions, head_dim].

    There is at least one position more than asked for: a full slot's counter stands there while
    its neighbours step on.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]

    @classmethod
    def allocate(
        cls, sizes: LlamaSizes, slots: int, positions: int, dtype: torch.dtype, device: torch.device
    ) -> "KvCache":
        """All zero: a masked position still enters a product, and NaN times zero is NaN."""
        length = (positions // _MULTIPLE + 1) * _MULTIPLE
        shape = (slots, sizes.kv_heads, length, sizes.head_dim)

        def layers() -> tuple[Tensor, ...]:
            return tuple(
                torch.zeros(shape, dtype=dtype, device=device) for _ in range(sizes.layers)
            )

        return cls(layers(), layers())

    def slot(self, slot: int) -> "KvCache":
        """The same memory, one slot of it."""
        return KvCache(
            tuple(k[slot : slot + 1] for k in self.keys),
            tuple(v[slot : slot + 1] for v in self.values),
        )

    def clear(self, start: int = 0) -> None:
        """Forget the positions from `start` on: whatever was there, NaN too, reaches nobody."""
        for tensor in (*self.keys, *self.values):
            tensor[:, :, start:].zero_()
