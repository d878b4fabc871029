"""How far quantising may move weights, worked out from them alone, by none of our arithmetic."""

import torch
from einops import rearrange
from torch import Tensor

from wyoming_csm.model.quantization.linear import QuantKind

# Half a step, when the step itself is rounded to bfloat16 (2⁻⁸ of it) and sums to float32.
_HALF = 0.5 * (1 + 2**-8) + 1e-4
_GROUP = 32  # weights that share an int4 scale, or as many as a width that it does not divide has
_LEAST = 1e-30  # the smallest scale: what is smaller yet becomes zero


@torch.no_grad()
def times_allowed(weight: Tensor, found: Tensor, kind: QuantKind) -> float:
    """The largest error of `found`, what quantising made of weight [out, in], both in float32.

    In parts of what `kind` allows there: more than 1 is a fault. NaN if there is one.
    """
    weight, found = weight.float(), found.float()
    error, allowed = (found - weight).abs(), _allowed(weight, kind)
    if kind == "int4":  # one weight may lose so that its group wins
        error = _groups(error).norm(dim=2)
    return float((error / allowed.clamp(min=_LEAST)).max())


def _allowed(weight: Tensor, kind: QuantKind) -> Tensor:
    """int8, fp8: [out, in], or one for each row; int4: [out, groups], root of summed squares."""
    largest = weight.abs().amax(dim=1, keepdim=True)
    if kind == "int8":  # 127 steps up to the largest weight of a row
        return _HALF * largest / 127
    if kind == "fp8":  # e4m3: 3 bits after the leading one, down to steps of 2⁻⁹ of 448
        return torch.maximum(_HALF * weight.abs() / 8, _HALF * largest / 448 * 2**-9)
    return _plain_int4(weight)


def _plain_int4(weight: Tensor) -> Tensor:
    """What rounding without a search costs: 8 steps to a group's largest weight, 7 the other way.

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
    """[out, in] to [out, groups, group]."""
    size = _GROUP
    while weight.shape[1] % size:
        size //= 2
    return rearrange(weight, "out (groups group) -> out groups group", group=size)
