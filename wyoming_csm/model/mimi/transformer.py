"""The decoder's transformer, a few positions at a time, over a rolling cache of keys and values."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wyoming_csm.model.mimi.config import MimiConfig
from wyoming_csm.model.mimi.convs import Targets, empty_weight


class Layer(nn.Module):
    """Attention and a feed-forward, each normalised before and scaled after."""

    def __init__(self, config: MimiConfig) -> None:
        super().__init__()
        hidden, width = config.hidden_size, config.head_width
        self._heads, self._kv_heads = config.num_attention_heads, config.num_key_value_heads
        self._width, self._eps = width, config.norm_eps
        self.qkv = empty_weight((self._heads + 2 * self._kv_heads) * width, hidden)
        self.out = empty_weight(hidden, self._heads * width)
        self.up = empty_weight(config.intermediate_size, hidden)
        self.down = empty_weight(hidden, config.intermediate_size)
        self.norm, self.norm_bias = empty_weight(hidden), empty_weight(hidden)
        self.mlp_norm, self.mlp_norm_bias = empty_weight(hidden), empty_weight(hidden)
        self.scale, self.mlp_scale = empty_weight(hidden), empty_weight(hidden)

    def targets(self, name: str) -> Targets:
        heads = [n * self._width for n in (self._heads, self._kv_heads, self._kv_heads)]
        query, key, value = torch.split(self.qkv, heads)
        return {
            f"{name}.self_attn.q_proj.weight": query,
            f"{name}.self_attn.k_proj.weight": key,
            f"{name}.self_attn.v_proj.weight": value,
            f"{name}.self_attn.o_proj.weight": self.out,
            f"{name}.mlp.fc1.weight": self.up,
            f"{name}.mlp.fc2.weight": self.down,
            f"{name}.input_layernorm.weight": self.norm,
            f"{name}.input_layernorm.bias": self.norm_bias,
            f"{name}.post_attention_layernorm.weight": self.mlp_norm,
            f"{name}.post_attention_layernorm.bias": self.mlp_norm_bias,
            f"{name}.self_attn_layer_scale.scale": self.scale,
            f"{name}.mlp_layer_scale.scale": self.mlp_scale,
        }

    def finish(self) -> None:
        """On a CPU inputs first: half the time for the two positions of one slot."""
        for weight in (self.qkv, self.out, self.up, self.down):
            if weight.device.type == "cpu":
                weight.data = weight.t().contiguous().t()

    def new_cache(self, slots: int, length: int, like: Tensor) -> Tensor:
        """Keys and values [slots, 2, kv heads, length, width]; zeros, since NaN would spread."""
        return like.new_zeros(slots, 2, self._kv_heads, length, self._width)

    def forward(
        self, x: Tensor, cache: Tensor, rotation: tuple[Tensor, Tensor], at: Tensor, seen: Tensor
    ) -> Tensor:
        """x [slots, new, hidden]; `at` [slots, new]: entries; `seen` [slots, 1, new, length]."""
        slots, new, _ = x.shape
        heard = F.layer_norm(x, x.shape[-1:], self.norm, self.norm_bias, self._eps)
        heads = F.linear(heard, self.qkv).view(slots, new, -1, self._width).transpose(1, 2)
        turning = self._heads + self._kv_heads
        turned, value = _rotate(heads[:, :turning], *rotation), heads[:, turning:]
        query, key = turned[:, : self._heads], turned[:, self._heads :]
        pair = torch.stack((key, value), dim=1)  # [slots, 2, kv heads, new, width]
        cache.scatter_(3, at[:, None, None, :, None].expand_as(pair), pair)
        keys, values = cache.unbind(dim=1)
        attended = F.scaled_dot_product_attention(
            query, keys, values, seen, enable_gqa=self._heads != self._kv_heads
        )
        attended = attended.transpose(1, 2).reshape(slots, new, -1)
        x = x + self.scale * F.linear(attended, self.out)
        heard = F.layer_norm(x, x.shape[-1:], self.mlp_norm, self.mlp_norm_bias, self._eps)
        return x + self.mlp_scale * F.linear(F.gelu(F.linear(heard, self.up)), self.down)


class Transformer(nn.Module):
    """Each position sees itself and the `sliding_window - 1` before it.

    The cache is a ring: position p of a slot lies at p modulo the ring's length, long enough that
    a frame's last position does not overwrite what its first must still see. Behind the ring are
    a few entries nobody sees: there inactive slots write, so that their past stays as it is.
    """

    turning: Tensor  # [width / 2], radians a position
    entries: Tensor  # [length]
    steps: Tensor  # [new]

    def __init__(self, config: MimiConfig) -> None:
        super().__init__()
        new = config.positions_per_frame
        self._window = config.sliding_window
        self._ring = self._window + new - 1
        length = -(-(self._ring + new) // 8) * 8  # a multiple of 8: aligned rows in the mask
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        pairs = torch.arange(0, config.head_width, 2, dtype=torch.float32) / config.head_width
        self.register_buffer("turning", 1.0 / config.theta**pairs, persistent=False)
        self.register_buffer("entries", torch.arange(length), persistent=False)
        self.register_buffer("steps", torch.arange(new), persistent=False)

    def targets(self, name: str) -> Targets:
        found: Targets = {}
        for n, layer in enumerate(self.layers):
            assert isinstance(layer, Layer)
            found |= layer.targets(f"{name}.layers.{n}")
        return found

    def finish(self) -> None:
        """To be called once, after the targets were filled."""
        for layer in self.layers:
            assert isinstance(layer, Layer)
            layer.finish()

    def new_caches(self, slots: int, like: Tensor) -> list[Tensor]:
        """One for each layer."""
        layers = [layer for layer in self.layers if isinstance(layer, Layer)]
        return [layer.new_cache(slots, len(self.entries), like) for layer in layers]

    def forward(self, x: Tensor, position: Tensor, caches: list[Tensor], active: Tensor) -> Tensor:
        """x [slots, new, hidden]; `position` [slots] is the first new one and is moved on."""
        now = position[:, None] + self.steps  # [slots, new]
        at = torch.where(active[:, None], now % self._ring, self._ring + self.steps)
        seen = self._seen(now)
        # single precision, whatever the weights have: so the model was trained
        angles = now[..., None].float() * self.turning.float()
        angles = torch.cat((angles, angles), dim=-1)[:, None]  # [slots, 1, new, width]
        rotation = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        for layer, cache in zip(self.layers, caches, strict=True):
            x = layer(x, cache, rotation, at, seen)
        position += active * len(self.steps)
        return x

    def _seen(self, now: Tensor) -> Tensor:
        """[slots, 1, new, length]: which entries of the cache each new position may see."""
        latest = now[:, -1:]
        held = latest - (latest - self.entries) % self._ring  # the position at each entry
        held = held.masked_fill(self.entries >= self._ring, -1)[:, None]  # [slots, 1, length]
        age = now[..., None] - held
        return ((held >= 0) & (age >= 0) & (age < self._window))[:, None]


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding of [..., width], halves paired."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin
