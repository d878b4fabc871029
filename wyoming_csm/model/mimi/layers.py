"""The transformer's layers and rotary angles, which Mimi's encoder and decoder have in common."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wyoming_csm.model.mimi.config import MimiConfig
from wyoming_csm.model.mimi.convs import Targets, Weights, empty_weight

Rotation = tuple[Tensor, Tensor]  # cosines and sines [..., positions, width]
Product = Callable[[Tensor, Tensor], Tensor]


class Layer(Weights):
    """Attention and a feed-forward, each normalised before and scaled after.

    What attends to what is left to the caller, between `heads` and `merge`.
    """

    def __init__(self, config: MimiConfig, product: Product) -> None:
        super().__init__()
        self._product = product
        hidden, width = config.hidden_size, config.head_width
        self._heads, self.kv_heads = config.num_attention_heads, config.num_key_value_heads
        self.width, self._eps = width, config.norm_eps
        self.shares_keys = self._heads != self.kv_heads
        self.qkv = empty_weight((self._heads + 2 * self.kv_heads) * width, hidden)
        self.out = empty_weight(hidden, self._heads * width)
        self.up = empty_weight(config.intermediate_size, hidden)
        self.down = empty_weight(hidden, config.intermediate_size)
        self.norm, self.norm_bias = empty_weight(hidden), empty_weight(hidden)
        self.mlp_norm, self.mlp_norm_bias = empty_weight(hidden), empty_weight(hidden)
        self.scale, self.mlp_scale = empty_weight(hidden), empty_weight(hidden)

    def targets(self) -> Targets:
        heads = [n * self.width for n in (self._heads, self.kv_heads, self.kv_heads)]
        query, key, value = torch.split(self.qkv, heads)
        return {
            "self_attn.q_proj.weight": query,
            "self_attn.k_proj.weight": key,
            "self_attn.v_proj.weight": value,
            "self_attn.o_proj.weight": self.out,
            "mlp.fc1.weight": self.up,
            "mlp.fc2.weight": self.down,
            "input_layernorm.weight": self.norm,
            "input_layernorm.bias": self.norm_bias,
            "post_attention_layernorm.weight": self.mlp_norm,
            "post_attention_layernorm.bias": self.mlp_norm_bias,
            "self_attn_layer_scale.scale": self.scale,
            "mlp_layer_scale.scale": self.mlp_scale,
        }

    def heads(self, x: Tensor, rotation: Rotation) -> tuple[Tensor, Tensor, Tensor]:
        """[batch, positions, hidden] → queries, keys and values [batch, heads, positions, width],
        the first two turned."""
        batch, positions, _ = x.shape
        normed = F.layer_norm(x, x.shape[-1:], self.norm, self.norm_bias, self._eps)
        heads = (
            self._product(normed, self.qkv).view(batch, positions, -1, self.width).transpose(1, 2)
        )
        turning = self._heads + self.kv_heads
        turned, value = _rotate(heads[:, :turning], *rotation), heads[:, turning:]
        return turned[:, : self._heads], turned[:, self._heads :], value

    def merge(self, x: Tensor, attended: Tensor) -> Tensor:
        """x [batch, positions, hidden] and its heads' attention [batch, heads, positions, width] →
        x for the next layer."""
        attended = attended.transpose(1, 2).flatten(2)
        x = x + self.scale * self._product(attended, self.out)
        normed = F.layer_norm(x, x.shape[-1:], self.mlp_norm, self.mlp_norm_bias, self._eps)
        inner = F.gelu(self._product(normed, self.up))
        return x + self.mlp_scale * self._product(inner, self.down)


class Layers(nn.Module):
    """A transformer's layers in their order, and its rotary angles."""

    turning: Tensor  # [width / 2], radians a position

    def __init__(self, config: MimiConfig, product: Product = F.linear) -> None:
        """`product` multiplies [batch, positions, inputs] by [outputs, inputs]."""
        super().__init__()
        self.layers = nn.ModuleList(Layer(config, product) for _ in range(config.num_hidden_layers))
        pairs = torch.arange(0, config.head_width, 2, dtype=torch.float32) / config.head_width
        self.register_buffer("turning", 1.0 / config.theta**pairs, persistent=False)

    def __iter__(self) -> Iterator[Layer]:
        for layer in self.layers:
            assert isinstance(layer, Layer)
            yield layer

    def rotation(self, positions: Tensor, dtype: torch.dtype) -> Rotation:
        """Return the rotation at positions [...], int64."""
        # single precision, whatever the weights have: so the model was trained
        angles = positions[..., None].float() * self.turning.float()
        angles = torch.cat((angles, angles), dim=-1)
        return angles.cos().to(dtype), angles.sin().to(dtype)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding of [..., width], halves paired."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin
