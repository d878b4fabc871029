"""transformers' weights rounded as this engine quantises them, and how far that may move them.

The bound is worked out from the weights alone, by none of this engine's arithmetic.
"""

from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from wyoming_csm.model.quantization.linear import QuantKind, dequantize, quantize

# Half a step, when the step itself is rounded to bfloat16 (2⁻⁸ of it) and sums to float32.
_HALF = 0.5 * (1 + 2**-8) + 1e-4
_GROUP = 32  # weights that share an int4 scale, or as many as a width that it does not divide has
_LEAST = 1e-30  # the smallest scale: what is smaller yet becomes zero


@torch.no_grad()
def round_weights(
    model: Any, backbone: QuantKind | None, depth: QuantKind | None
) -> dict[str, float]:
    """Make weights that this engine quantises what its codes stand for, still in float32.

    Returns each one's error as `times_allowed` has it: quantising is this engine's own, on both
    sides.
    """
    times: dict[str, float] = {}

    def rounded(name: str, weight: Tensor, kind: QuantKind) -> Tensor:
        found = dequantize(*quantize(weight.float().contiguous(), kind), torch.float32)
        times[name] = times_allowed(weight, found, kind)
        return found

    if backbone:
        for name, linear in [*_linears(model.backbone_model), ("lm_head", model.lm_head)]:
            linear.weight.data = rounded(f"backbone {name}", linear.weight, backbone)
    if depth:
        decoder, heads = model.depth_decoder.model, model.depth_decoder.codebooks_head
        for name, linear in _linears(decoder.layers):
            linear.weight.data = rounded(f"depth decoder {name}", linear.weight, depth)
        exact = decoder.inputs_embeds_projector.weight
        projector = rounded("depth decoder projector", exact, depth)
        decoder.inputs_embeds_projector = _Projector(exact, projector)
        transposed = [
            rounded(f"depth decoder head {n}", matrix.T, depth).T
            for n, matrix in enumerate(heads.weight)
        ]
        heads.weight.data = torch.stack(transposed)
    return times


class _Projector(nn.Module):
    """Embeddings go through it as they are (here they are projected before they are rounded);
    the backbone's hidden state, which comes first, through the rounded one."""

    def __init__(self, exact: nn.Parameter, rounded: Tensor) -> None:
        super().__init__()
        self.exact = exact
        self.rounded = nn.Parameter(rounded, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Project x [frames, codebooks, width of the backbone] to the depth decoder's width."""
        first, rest = F.linear(x[:, :1], self.rounded), F.linear(x[:, 1:], self.exact)
        return torch.cat((first, rest), dim=1)


def _linears(part: nn.Module) -> list[tuple[str, nn.Linear]]:
    return [(name, m) for name, m in part.named_modules() if isinstance(m, nn.Linear)]


@torch.no_grad()
def times_allowed(weight: Tensor, found: Tensor, kind: QuantKind) -> float:
    """Return the largest error of `found`, what quantising made of weight [out, in].

    It is in parts of what `kind` allows there: more than 1 is a fault. NaN if there is one.
    """
    weight, found = weight.float(), found.float()
    error, allowed = (found - weight).abs(), _allowed(weight, kind)
    if kind == "int4":  # one weight may lose so that its group wins
        error = _groups(error).norm(dim=2)
    return float((error / allowed.clamp(min=_LEAST)).max())


def _allowed(weight: Tensor, kind: QuantKind) -> Tensor:
    """Bound errors: int8 and fp8 [out, in] or [out, 1], int4 [out, groups], root of squares."""
    largest = weight.abs().amax(dim=1, keepdim=True)
    if kind == "int8":  # 127 steps up to the largest weight of an output
        return _HALF * largest / 127
    if kind == "fp8":  # e4m3: 3 bits after the leading one, down to steps of 2⁻⁹ of 448
        return torch.maximum(_HALF * weight.abs() / 8, _HALF * largest / 448 * 2**-9)
    return _plain_int4(weight)


def _plain_int4(weight: Tensor) -> Tensor:
    """Return what rounding costs with 8 steps to a group's largest weight, 7 the other way.

    Searching for a better step only lowers it.
    """
    groups = _groups(weight)
    high, low = groups.amax(dim=2, keepdim=True), -groups.amin(dim=2, keepdim=True)
    step = (torch.maximum(high, low) / 8).bfloat16().float()
    down, up = (_cost_int4(groups, signed) for signed in (step, -step))  # which way 8 steps go
    high, low, step = (x[:, :, 0] for x in (high, low, step))
    cost = torch.where(high == low, torch.maximum(down, up), torch.where(high > low, up, down))
    return cost * (1 + 1e-4) + step * 1e-4  # the sums' own rounding


def _cost_int4(groups: Tensor, step: Tensor) -> Tensor:
    codes = (groups / torch.where(step == 0, 1.0, step)).round().clamp(-8, 7)
    cost: Tensor = (codes * step - groups).norm(dim=2)
    return cost


def _groups(weight: Tensor) -> Tensor:
    size = _GROUP
    while weight.shape[1] % size:
        size //= 2
    return rearrange(weight, "out (groups group) -> out groups group", group=size)
