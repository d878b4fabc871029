"""The decoder's transformer, a few positions at a time, over a rolling cache of keys and values."""

import torch
from torch import Tensor
from torch.nn import functional as F

from wyoming_csm.model.mimi.config import MimiConfig
from wyoming_csm.model.mimi.layers import Layers


class Transformer(Layers):
    """Attention of each position to itself and the `sliding_window - 1` before it.

    The cache is a ring: position p of a slot lies at p modulo the ring's length, long enough that
    a frame's last position does not overwrite what its first must still see. Behind the ring are
    a few entries that are never seen: inactive slots write there, so that their past stays.
    """

    entries: Tensor  # [length]
    steps: Tensor  # [new]

    def __init__(self, config: MimiConfig) -> None:
        super().__init__(config)
        new = config.positions_per_frame
        self._window = config.sliding_window
        self._ring = self._window + new - 1
        length = -(-(self._ring + new) // 8) * 8  # a multiple of 8: aligned lines in the mask
        self.register_buffer("entries", torch.arange(length), persistent=False)
        self.register_buffer("steps", torch.arange(new), persistent=False)

    def new_caches(self, slots: int, like: Tensor) -> list[Tensor]:
        """Return keys and values of each layer [slots, 2, kv heads, length, width]: zeros, since
        NaN would spread."""
        length = len(self.entries)
        return [like.new_zeros(slots, 2, layer.kv_heads, length, layer.width) for layer in self]

    def forward(self, x: Tensor, position: Tensor, caches: list[Tensor], active: Tensor) -> Tensor:
        """Return x [slots, new, hidden]; `position` [slots], the first new one, is moved on."""
        now = position[:, None] + self.steps  # [slots, new]
        at = torch.where(active[:, None], now % self._ring, self._ring + self.steps)
        seen = self._seen(now)
        rotation = self.rotation(now[:, None], x.dtype)  # [slots, 1, new, width]
        for layer, cache in zip(self, caches, strict=True):
            query, key, value = layer.heads(x, rotation)
            pair = torch.stack((key, value), dim=1)  # [slots, 2, kv heads, new, width]
            cache.scatter_(3, at[:, None, None, :, None].expand_as(pair), pair)
            keys, values = cache.unbind(dim=1)
            attended = F.scaled_dot_product_attention(
                query, keys, values, seen, enable_gqa=layer.shares_keys
            )
            x = layer.merge(x, attended)
        position += active * len(self.steps)
        return x

    def _seen(self, now: Tensor) -> Tensor:
        """Return which entries of the cache each new position may see: [slots, 1, new, length]."""
        latest = now[:, -1:]
        held = latest - (latest - self.entries) % self._ring  # the position at each entry
        held = held.masked_fill(self.entries >= self._ring, -1)[:, None]  # [slots, 1, length]
        age = now[..., None] - held
        return ((held >= 0) & (age >= 0) & (age < self._window))[:, None]
