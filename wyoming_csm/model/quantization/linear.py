"""Linear layers whose weights take 8 or 4 bits: weight-only, so activations stay as they are."""

import logging
from functools import cache
from math import gcd
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from wyoming_csm.model.toolchain import builds_for, said

QuantKind = Literal["int8", "fp8", "int4"]
KINDS: tuple[QuantKind, ...] = get_args(QuantKind)
_LOGGER = logging.getLogger(__name__)
INT4_GROUP = 32  # weights that share an int4 scale
_SHRINKS = (0.92, 0.84)  # an int4 scale that cuts the largest weight off may err less in all
_LEAST = 1e-30  # the scale of zeros
_BLOCK = 4 * 2**20  # weights in float32 at a time, when they are quantised or dequantised


def linear_bytes(kind: str, out_features: int, in_features: int) -> int:
    """Count the bytes of a layer's weights with their scales; `kind` may be a plain type too."""
    weights = out_features * in_features
    if kind == "int4":
        return weights // 2 + 2 * weights // int4_group(in_features)
    if kind in KINDS:
        return weights + 2 * out_features
    plain: torch.dtype = getattr(torch, kind)
    return weights * plain.itemsize


def int4_group(in_features: int) -> int:
    """Return how many weights share a scale: 32, or what divides the width of a tiny model."""
    return gcd(in_features, INT4_GROUP)


class QuantizedLinear(nn.Module):
    """y = x @ weightᵀ, weight[n] = codes[n] · scales[n].

    int8, fp8 (e4m3): codes [out, in], scales [out]. int4: codes [out, in / 2], scales
    [out, in / group], each group's byte i holding weight i (low bits) and i + group / 2, plus 8.
    Scales are bfloat16, and codes are chosen for the rounded scale.
    """

    codes: Tensor
    scales: Tensor

    def __init__(
        self, kind: QuantKind, out_features: int, in_features: int, device: torch.device
    ) -> None:
        super().__init__()
        self.kind = kind
        self.in_features = in_features
        self.out_features = out_features
        dtypes = {"int8": torch.int8, "fp8": torch.float8_e4m3fn, "int4": torch.uint8}
        columns = in_features // 2 if kind == "int4" else in_features
        codes = torch.empty(out_features, columns, dtype=dtypes[kind], device=device)
        groups = (in_features // int4_group(in_features),) if kind == "int4" else ()
        scales = torch.empty(out_features, *groups, dtype=torch.bfloat16, device=device)
        self.register_buffer("codes", codes)
        self.register_buffer("scales", scales)
        self._has_kernel = False

    @torch.no_grad()
    def fill(self, start: int, weights: Tensor) -> None:
        """Quantise weights [n, in] of the outputs from `start` on."""
        step = max(1, _BLOCK // self.in_features)
        for first in range(0, len(weights), step):
            block = weights[first : first + step].to(self.codes.device).float()
            outs = slice(start + first, start + first + len(block))
            self.codes[outs], self.scales[outs] = quantize(block, self.kind)

    @property
    def is_in_blocks(self) -> bool:
        """True if kernels fit its shape: others would read beyond the codes."""
        return self.out_features % 16 == 0 and self.in_features % 64 == 0

    def finalize(self, dtype: torch.dtype) -> None:
        """Choose the product of the filled weights with x in `dtype`: a GPU may have a kernel."""
        self._has_kernel = (
            self.codes.device.type == "cuda"
            and self.is_in_blocks
            and dtype != torch.float32
            and builds_for(self.codes.device)
            and runs_kernels(self.codes.device, dtype)
        )
        if self._has_kernel:
            # As bits: torch.compile refuses whatever has bfloat16 in it for a card before Ampere.
            self.scales = self.scales.view(torch.int16)

    def forward(self, x: Tensor) -> Tensor:
        """Multiply x [..., in] to [..., out]."""
        flat = x.reshape(-1, self.in_features)
        if self._has_kernel:
            from wyoming_csm.model.quantization.triton_kernels import multiply

            y: Tensor = multiply(flat.contiguous(), self.codes, self.scales)
        else:
            y = multiply_in_blocks(flat, self.codes, self.scales)
        return y.view(*x.shape[:-1], self.out_features)


@cache
def runs_kernels(device: torch.device, dtype: torch.dtype) -> bool:
    """Say whether a kernel of `triton_kernels` can be built and started: tried once in a process.

    A C compiler may be there and lack what it links with; so may a driver.
    """
    codes = torch.zeros(16, 64, dtype=torch.int8, device=device)
    scales = torch.zeros(16, dtype=torch.int16, device=device)
    try:
        from wyoming_csm.model.quantization.triton_kernels import multiply

        multiply(torch.zeros(1, 64, dtype=dtype, device=device), codes, scales)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # of Triton, a C compiler, a driver: each has its own kinds
        _LOGGER.warning(
            "quantised weights are slow here, without Triton's kernels: %s", said(error)
        )
        return False
    return True


def multiply_in_blocks(x: Tensor, codes: Tensor, scales: Tensor) -> Tensor:
    """Multiply x [rows, in] to [rows, out] by weights that are dequantised, some at a time."""
    out = x.new_empty(len(x), len(codes))
    step = max(1, _BLOCK // x.shape[1])
    for start in range(0, len(codes), step):
        part = slice(start, start + step)
        out[:, part] = F.linear(x, dequantize(codes[part], scales[part], x.dtype))
    return out


def quantize(weights: Tensor, kind: QuantKind) -> tuple[Tensor, Tensor]:
    """Turn weights [n, in] in float32 into codes and scales as `QuantizedLinear` has them."""
    if kind == "int4":
        return _quantize_int4(weights)
    most = 127.0 if kind == "int8" else 448.0
    scales = (weights.abs().amax(dim=1) / most).clamp(min=_LEAST).bfloat16()
    codes = (weights / scales.float()[:, None]).clamp(-most, most)
    return (codes.round().char() if kind == "int8" else codes.to(torch.float8_e4m3fn)), scales


def _quantize_int4(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Search each group's scale; its sign gives the largest weight the code -8: there is no +8."""
    size = int4_group(weights.shape[1])
    groups = rearrange(weights, "n (groups group) -> n groups group", group=size)
    largest = groups.gather(2, groups.abs().argmax(dim=2, keepdim=True))
    largest = torch.where(largest.abs() < _LEAST, _LEAST, largest)
    codes, scales, least = _int4_codes(groups, largest / -8)
    for shrink in _SHRINKS:
        others, scale, error = _int4_codes(groups, largest * (shrink / -8))
        codes = torch.where(error < least, others, codes)
        scales = torch.where(error < least, scale, scales)
        least = torch.minimum(error, least)
    low, high = rearrange(
        (codes + 8).byte(), "n groups (half pairs) -> half n groups pairs", half=2
    )
    return rearrange(low | high << 4, "n groups pairs -> n (groups pairs)"), scales[:, :, 0]


def _int4_codes(groups: Tensor, scales: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return codes -8 … 7 [n, groups, group], rounded scales, and squared errors of groups."""
    rounded = scales.bfloat16()
    codes = (groups / rounded.float()).round_().clamp_(-8, 7)
    error = (codes * rounded.float() - groups).square_().sum(dim=2, keepdim=True)
    return codes, rounded, error


def dequantize(codes: Tensor, scales: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the weights [n, in] that codes and scales stand for."""
    if codes.dtype != torch.uint8:
        return codes.to(dtype) * scales.to(dtype)[:, None]
    both = unpack_int4(codes, scales.shape[1]).to(dtype) - 8
    return (both * scales.to(dtype)[:, :, None]).flatten(1)


def unpack_int4(codes: Tensor, groups: int) -> Tensor:
    """Unpack bytes [n, in / 2] to [n, groups, group] of 0 … 15."""
    pairs = codes.view(len(codes), groups, -1)
    return torch.cat((pairs & 15, pairs >> 4), dim=2)
