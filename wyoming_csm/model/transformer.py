"""A stack of Llama blocks over a KV cache that is passed in: `prefill` and `step`."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wyoming_csm.model.attention import (
    Attention,
    prefix_attention,
    prefix_mask,
    step_attention,
)
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
        """What `prefill` masks: for who prefills the same positions again and again."""
        return prefix_mask(start, n, self.sizes.heads // self.sizes.kv_heads, self.norm.weight)

    def prefill(self, x: Tensor, start: int, cache: KvCache, mask: Tensor | None = None) -> Tensor:
        """x [rows, n, width] at positions start … start + n - 1 of every row, to the same shape.

        What the cache holds before `start` is attended to. `mask`: as `mask` says, if it is there
        already.
        """
        n = x.shape[1]
        cos, sin = self.cos[start : start + n, None], self.sin[start : start + n, None]
        attend = prefix_attention(start, n, self.mask(start, n) if mask is None else mask)
        return self.run(x, cos, sin, attend, cache)

    def step(
        self, x: Tensor, positions: Tensor, cache: KvCache, mask: Tensor | None, length: int
    ) -> Tensor:
        """x [rows, width], each at its own position [rows] below `length`, to the same shape.

        `mask`: of `StepMasks`. A row that is not meant may take part: what it writes at its
        position is written again before it is read.
        """
        cos, sin = self.cos[positions][:, None, None], self.sin[positions][:, None, None]
        attend = step_attention(positions, cache, mask, length)
        return self.run(x[:, None], cos, sin, attend, cache)[:, 0]

    def run(self, x: Tensor, cos: Tensor, sin: Tensor, attend: Attention, cache: KvCache) -> Tensor:
        """x [rows, n, width], turned by cos and sin [(rows,) n, 1, head_dim], to the same shape."""
        shape = x.shape
        x = x.reshape(-1, shape[-1])
        for n, (block, layer) in enumerate(zip(self.layers, cache.layers, strict=True)):
            assert isinstance(block, Block)
            q, kv = block.project(x, shape[:2], cos, sin)
            x = block.finish(x, attend(layer, q, kv), in_place=n > 0)  # at first it is not ours
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

    def project(
        self, x: Tensor, shape: tuple[int, ...], cos: Tensor, sin: Tensor
    ) -> tuple[Tensor, Tensor]:
        """x [rows * n, width], shape (rows, n): q [rows, n, heads, …], kv [rows, n, 2 * kv, …]."""
        together = self.qkv(self.input_layernorm(x)).view(*shape, -1, self.head_dim)
        turned = together[:, :, : self.heads + self.kv_heads]  # q and k
        # The first half of a head is paired with the second; the sign is in the table.
        rolled = turned.roll(self.head_dim // 2, -1)
        turned.mul_(cos).addcmul_(rolled, sin)
        return together[:, :, : self.heads], together[:, :, self.heads :]

    def finish(self, x: Tensor, heard: Tensor, in_place: bool) -> Tensor:
        """The rest of attention [rows * n, heads * head_dim], and feed-forward, added to x.

        `in_place`: x may be written over.
        """
        x = _add(x, self.out, heard, in_place)
        gate, up = self.gate_up(self.post_attention_layernorm(x)).chunk(2, dim=-1)
        return _add(x, self.down, F.silu(gate) * up, in_place=True)


class RmsNorm(nn.Module):
    """In float32 whatever x is, as the weights were trained."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width))
        self.eps = eps
        signs = torch.tensor([[1.0], [-1.0]], device="cpu")
        self.register_buffer("signs", signs, persistent=False)

    signs: Tensor  # [2, 1]

    def forward(self, x: Tensor) -> Tensor:
        """x [rows, width] to the same shape."""
        if x.device.type != "cpu" or torch.compiler.is_compiling():
            return F.rms_norm(x, self.weight.shape, self.weight, self.eps)
        # There the CPU has six kernels for it, but one for layer_norm; and the mean of x and -x is
        # zero, their variance is x's mean square.
        both = x[:, None] * self.signs  # [rows, 2, width]
        return F.layer_norm(both, both.shape[1:], eps=self.eps)[:, 0] * self.weight


def _add(x: Tensor, linear: nn.Module, y: Tensor, in_place: bool) -> Tensor:
    """x + linear(y), in one kernel where that is one product; a copy of x would be another."""
    if torch.compiler.is_compiling():
        return x + linear(y)  # type: ignore[no-any-return]
    if type(linear) is nn.Linear:
        weight = linear.weight.t()
        return x.addmm_(y, weight) if in_place else torch.addmm(x, y, weight)
    return x.add_(linear(y)) if in_place else x + linear(y)


def rotary_tables(sizes: LlamaSizes) -> tuple[Tensor, Tensor]:
    """cos and sin [positions + 1, head_dim] in float32, on the CPU; sin's first half negated.

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
