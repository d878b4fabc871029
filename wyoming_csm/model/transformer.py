"""A stack of Llama blocks over a KV cache that is passed in: `prefill` and `step`."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wyoming_csm.model.kv_cache import KvCache
from wyoming_csm.model.sizes import LlamaSizes


class Transformer(nn.Module):
    """Blocks and the last norm; embeddings and heads are the caller's.

    The modules are built without weights (see `weights`); `cos` and `sin` are real at once.
    """

    cos: Tensor  # [positions + 1, head_dim]
    sin: Tensor

    def __init__(self, sizes: LlamaSizes) -> None:
        super().__init__()
        self.layers = nn.ModuleList([_Block(sizes) for _ in range(sizes.layers)])
        self.norm = _RmsNorm(sizes.width, sizes.norm_eps)
        cos, sin = rotary_tables(sizes)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def prefill(self, x: Tensor, start: int, cache: KvCache) -> Tensor:
        """x [rows, n, width] at positions start … start + n - 1 of every row, to the same shape.

        What the cache holds before `start` is attended to.
        """
        n = x.shape[1]
        cos, sin = self.cos[start : start + n], self.sin[start : start + n]  # [n, head_dim]
        causal = torch.ones(n, start + n, dtype=torch.bool, device=x.device).tril(start)
        mask = causal if n > 1 else None  # [n, start + n]
        for i, block in enumerate(self.layers):
            assert isinstance(block, _Block)
            q, k, v = block.project(x, cos, sin)
            keys, values = cache.keys[i], cache.values[i]
            keys[:, :, start : start + n] = k
            values[:, :, start : start + n] = v
            x = block.finish(x, q, keys[:, :, : start + n], values[:, :, : start + n], mask)
        return self.norm(x)  # type: ignore[no-any-return]

    def step(self, x: Tensor, positions: Tensor, cache: KvCache) -> Tensor:
        """x [slots, width], each at its own position [slots], to the same shape.

        A slot that is not meant may take part: what it writes at its position is written again
        before it is read.
        """
        cos = self.cos[positions][:, None, None]  # [slots, 1, 1, head_dim]
        sin = self.sin[positions][:, None, None]
        slots = torch.arange(len(x), device=x.device)
        length = torch.arange(cache.keys[0].shape[2], device=x.device)
        mask = (length <= positions[:, None])[:, None, None]  # [slots, 1, 1, positions]
        x = x[:, None]
        for i, block in enumerate(self.layers):
            assert isinstance(block, _Block)
            q, k, v = block.project(x, cos, sin)
            keys, values = cache.keys[i], cache.values[i]
            keys[slots, :, positions] = k[:, :, 0]
            values[slots, :, positions] = v[:, :, 0]
            x = block.finish(x, q, keys, values, mask)
        return self.norm(x[:, 0])  # type: ignore[no-any-return]


class _Block(nn.Module):
    """Names as in the transformers layout."""

    def __init__(self, sizes: LlamaSizes) -> None:
        super().__init__()
        self.self_attn = _Attention(sizes)
        self.mlp = _FeedForward(sizes)
        self.input_layernorm = _RmsNorm(sizes.width, sizes.norm_eps)
        self.post_attention_layernorm = _RmsNorm(sizes.width, sizes.norm_eps)

    def project(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x [rows, n, width] to q [rows, heads, n, head_dim] and k, v [rows, kv_heads, …]."""
        q, k, v = self.self_attn.project(self.input_layernorm(x))
        return _rotate(q, cos, sin), _rotate(k, cos, sin), v

    def finish(
        self, x: Tensor, q: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None
    ) -> Tensor:
        """Attention and feed-forward, each added to x [rows, n, width]."""
        heard = F.scaled_dot_product_attention(q, keys, values, mask, enable_gqa=True)
        x = x + self.self_attn.o_proj(heard.transpose(1, 2).flatten(2))
        return x + self.mlp(self.post_attention_layernorm(x))  # type: ignore[no-any-return]


class _Attention(nn.Module):
    def __init__(self, sizes: LlamaSizes) -> None:
        super().__init__()
        self.head_dim = sizes.head_dim
        inner, inner_kv = sizes.heads * sizes.head_dim, sizes.kv_heads * sizes.head_dim
        self.q_proj = nn.Linear(sizes.width, inner, bias=False)
        self.k_proj = nn.Linear(sizes.width, inner_kv, bias=False)
        self.v_proj = nn.Linear(sizes.width, inner_kv, bias=False)
        self.o_proj = nn.Linear(inner, sizes.width, bias=False)

    def project(self, x: Tensor) -> tuple[Tensor, ...]:
        projections = (self.q_proj, self.k_proj, self.v_proj)
        heads = (p(x).unflatten(-1, (-1, self.head_dim)) for p in projections)
        return tuple(h.transpose(1, 2) for h in heads)


class _FeedForward(nn.Module):
    def __init__(self, sizes: LlamaSizes) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(sizes.width, sizes.feed_forward, bias=False)
        self.up_proj = nn.Linear(sizes.width, sizes.feed_forward, bias=False)
        self.down_proj = nn.Linear(sizes.feed_forward, sizes.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))  # type: ignore[no-any-return]


class _RmsNorm(nn.Module):
    """In float32 whatever x is, as the weights were trained."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
        return self.weight * wide.to(x.dtype)


def rotary_tables(sizes: LlamaSizes) -> tuple[Tensor, Tensor]:
    """cos and sin [positions + 1, head_dim] in float32, on the CPU.

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
    angles = torch.outer(positions, frequencies).repeat(1, 2)  # [positions + 1, head_dim]
    return angles.cos(), angles.sin()


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x [rows, heads, n, head_dim]; the first half of a head is paired with the second."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin
