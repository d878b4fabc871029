"""The encoder's transformer, over all positions of a recording at once."""

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from wyoming_csm.model.mimi.config import MimiConfig
from wyoming_csm.model.mimi.layers import Layers
from wyoming_csm.model.mimi.whole_convs import product


class WholeTransformer(Layers):
    """Attention of each position to itself and the `sliding_window - 1` before it.

    Attention goes in blocks as long as that window: a block sees itself and the one before it, so
    that time and memory grow with the recording's length and not with its square.
    """

    def __init__(self, config: MimiConfig) -> None:
        super().__init__(config, product)
        self._window = config.sliding_window

    def forward(self, x: Tensor) -> Tensor:
        """Return x [positions, hidden] in its shape; at least one position."""
        block = min(self._window, len(x))
        rotation = self.rotation(torch.arange(len(x), device=x.device), x.dtype)
        seen = self._seen(len(x), block, x.device)
        x = x[None]
        for layer in self:
            query, key, value = layer.heads(x, rotation)
            attended = F.scaled_dot_product_attention(
                _blocks(query, block),
                _blocks_and_before(key, block),
                _blocks_and_before(value, block),
                seen,
                enable_gqa=layer.shares_keys,
            )
            attended = rearrange(attended, "blocks heads time width -> 1 heads (blocks time) width")
            x = layer.merge(x, attended[:, :, : x.shape[1]])
        return x[0]

    def _seen(self, positions: int, block: int, device: torch.device) -> Tensor:
        """Return, as [blocks, 1, block, 2 blocks], what positions see of their block and the last.

        Those behind the last position see something too: no row of a softmax may be empty.
        """
        blocks = -(-positions // block)
        start = torch.arange(blocks, device=device)[:, None, None] * block
        now = start + torch.arange(block, device=device)[:, None]
        then = start + torch.arange(-block, block, device=device)
        age = now - then
        return ((then >= 0) & (age >= 0) & (age < self._window))[:, None]


def _blocks(x: Tensor, block: int) -> Tensor:
    """Cut [1, heads, positions, width] to [blocks, heads, block, width], the last padded with 0."""
    x = F.pad(x, (0, 0, 0, -x.shape[2] % block))
    return rearrange(x, "1 heads (blocks time) width -> blocks heads time width", time=block)


def _blocks_and_before(x: Tensor, block: int) -> Tensor:
    """Return the same, each with the block before it: [blocks, heads, 2 blocks, width]."""
    blocks = _blocks(x, block)
    before = torch.cat((torch.zeros_like(blocks[:1]), blocks[:-1]))
    return torch.cat((before, blocks), dim=2)
