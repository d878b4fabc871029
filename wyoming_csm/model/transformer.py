"""A stack of Llama blocks over a KV cache that is passed in: `prefill` and `step`."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wyoming_csm.model.attention import Attention, prefix_attention, prefix_mask, step_attention
from wyoming_csm.model.config import LlamaSizes
from wyoming_csm.model.kv_cache import KvCache


class Transformer(nn.Module):
    """Blocks and the last norm; embeddings and heads are the caller's.

    The modules are built without weights (see `weights`); `cos` and `sin` are real at once.
    """

    cos: Tensor  # [positions + 1, head_dim]
    sin: Tensor

    def __init__(self, sizes: LlamaSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.layers = nn.ModuleList([Block(sizes) for _ in range(sizes.layers)])
        self.norm = RmsNorm(sizes.width, sizes.norm_eps)
        cos, sin = rotary_tables(sizes)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def mask(self, start: int, n: int) -> Tensor | None:
        """Return the mask of `prefill`, to make once what is prefilled again and again."""
        return prefix_mask(start, n, self.sizes.heads // self.sizes.kv_heads, self.norm.weight)

    def prefill(self, x: Tensor, start: int, cache: KvCache, mask: Tensor | None = None) -> Tensor:
        """Return x [rows, n, width] after all layers, each row at positions start … start + n - 1.

        What the cache holds before `start` is attended to. `mask` is that of `mask`, if it is
        there already.
        """
        n = x.shape[1]
        cos, sin = self.cos[start : start + n, None], self.sin[start : start + n, None]
        attend = prefix_attention(start, n, self.mask(start, n) if mask is None else mask)
        return self.run(x, cos, sin, attend, cache)

    def step(
        self, x: Tensor, positions: Tensor, cache: KvCache, mask: Tensor | None, length: int
    ) -> Tensor:
        """Return x [rows, width] after all layers, each row at its position [rows] below `length`.

        `mask` is that of `step_masks`. A row that is not meant may take part: what it writes at its
        position is written again before it is read.
        """
        cos, sin = self.cos[positions][:, None, None], self.sin[positions][:, None, None]
        attend = step_attention(positions, mask, length)
        return self.run(x[:, None], cos, sin, attend, cache)[:, 0]

    def run(self, x: Tensor, cos: Tensor, sin: Tensor, attend: Attention, cache: KvCache) -> Tensor:
        """Return x [rows, n, width], after all layers; cos and sin are [(rows,) n, 1, head_dim]."""
        shape = x.shape
        x = x.reshape(-1, shape[-1])
        for block, layer in zip(self.layers, cache.layers, strict=True):
            x = block(x, shape[1], cos, sin, attend, layer)
        return self.norm(x).view(shape)  # type: ignore[no-any-return]


class Block(nn.Module):
    """Matrices that read the same vector are one: q, k and v; gate and up."""

    def __init__(self, sizes: LlamaSizes) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = sizes.heads, sizes.kv_heads, sizes.head_dim
        together = (sizes.heads + 2 * sizes.kv_heads) * sizes.head_dim
        self.input_layernorm = RmsNorm(sizes.width, sizes.norm_eps)
        self.qkv = nn.Linear(sizes.width, together, bias=False)
        self.out = nn.Linear(sizes.heads * sizes.head_dim, sizes.width, bias=False)
        self.post_attention_layernorm = RmsNorm(sizes.width, sizes.norm_eps)
        self.gate_up = nn.Linear(sizes.width, 2 * sizes.feed_forward, bias=False)
        self.down = nn.Linear(sizes.feed_forward, sizes.width, bias=False)

    def forward(
        self, x: Tensor, n: int, cos: Tensor, sin: Tensor, attend: Attention, layer: Tensor
    ) -> Tensor:
        """Return x [rows * n, width] after attention and feed-forward, over one layer's cache."""
        q, kv = self._project(self.input_layernorm(x), n, cos, sin)
        x = x + self.out(attend(layer, q, kv))
        gate, up = self.gate_up(self.post_attention_layernorm(x)).chunk(2, dim=-1)
        return x + self.down(F.silu(gate) * up)  # type: ignore[no-any-return]

    def _project(self, x: Tensor, n: int, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
        """Return q [rows, n, heads, head_dim] and kv [rows, n, 2 * kv_heads, head_dim]."""
        together = self.qkv(x).view(-1, n, self.heads + 2 * self.kv_heads, self.head_dim)
        turned = together[:, :, : self.heads + self.kv_heads]  # q and k
        # The first half of a head is paired with the second; the sign is in the table.
        rolled = turned.roll(self.head_dim // 2, -1)
        turned.mul_(cos).addcmul_(rolled, sin)
        return together[:, :, : self.heads], together[:, :, self.heads :]


class RmsNorm(nn.Module):
    """The norm in float32, whatever type x has, as the weights were trained."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Return the norm of x [rows, width], in its shape."""
        return F.rms_norm(x, self.weight.shape, self.weight, self.eps)


def rotary_tables(sizes: LlamaSizes) -> tuple[Tensor, Tensor]:
    """Return cos and sin [positions + 1, head_dim], float32 on the CPU; sin's first half negated.

    One more than there are: a full slot's counter stands there while its neighbours go on.
    Frequencies with llama3 scaling, after transformers' `_compute_llama3_parameters`.
    """
    even = torch.arange(0, sizes.head_dim, 2, dtype=torch.float32, device="cpu")
    frequencies = 1.0 / (sizes.rope_theta ** (even / sizes.head_dim))  # [head_dim / 2]
    scaling = sizes.rope_scaling
    if scaling is not None:
        low, high = scaling.low_freq_factor, scaling.high_freq_factor
        wavelengths = 2 * math.pi / frequencies
        slow = frequencies / scaling.factor
        blend = (scaling.original_positions / wavelengths - low) / (high - low)
        between = (1 - blend) * slow + blend * frequencies
        # blend ≤ 0: slower than the slowest that was trained; blend ≥ 1: fast enough as it is
        frequencies = torch.where(blend <= 0, slow, torch.where(blend >= 1, frequencies, between))
    positions = torch.arange(sizes.positions + 1, dtype=torch.float32, device="cpu")
    angles = torch.outer(positions, frequencies)  # [positions + 1, head_dim / 2]
    sin = angles.sin()
    return angles.cos().repeat(1, 2), torch.cat((-sin, sin), dim=-1)
