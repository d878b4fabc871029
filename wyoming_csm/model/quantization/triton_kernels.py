"""Products of a few batch rows with quantised weights in Triton: as quick as reading the weights.

One row is multiplied and summed; more share the tensor cores, where Triton uses them. Sums are
float32. Shapes are constants of a kernel: there are about ten, and nothing is tuned while a graph
is recorded. The number of rows is not: its first use of a multiple of 16 would build them all anew.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators

import torch
import triton
import triton.language as tl
from torch import Tensor

from wyoming_csm.model.quantization.linear import multiply_in_blocks
from wyoming_csm.model.toolchain import has_dots

_FEW = 256  # rows: with more, reading the weights is not what takes the time
_FEW_WITHOUT_DOTS = 4  # rows, each for itself: with more, cuBLAS has the tensor cores
_HALF = tl.constexpr(16)  # of an int4 group: its bytes hold the first 16 weights and the others
_NATIVE_FP8 = (8, 9)  # from there on a GPU converts fp8 itself
_FP8_SHIFT = 256.0  # 2 ** (15 - 7): between the exponents' biases of float16 and e4m3
_PARTS = 4  # of the columns, for matrices whose outputs alone would leave most of a GPU idle


@torch.library.custom_op("wyoming_csm::multiply", mutates_args=())
def multiply(x: Tensor, codes: Tensor, scales: Tensor) -> Tensor:
    """Multiply x [rows, in], contiguous, 16 bits, by `QuantizedLinear`'s codes and scales' bits.

    Returns [rows, out]. Shapes are whole blocks: out of 16, in of 64. It may be captured in CUDA
    graphs; to torch.compile it is one operator for any number of rows.
    """
    scales, dots = scales.view(torch.bfloat16), has_dots(x.device)
    if len(x) > (_FEW if dots else _FEW_WITHOUT_DOTS):
        return multiply_in_blocks(x, codes, scales)
    if codes.dtype == torch.float8_e4m3fn and not _converts_fp8(codes.device):
        codes = codes.view(torch.uint8)
    return launch(x, codes, scales, dots)


@multiply.register_fake
def _(x: Tensor, codes: Tensor, scales: Tensor) -> Tensor:
    return x.new_empty(x.shape[0], codes.shape[0])  # len() would fix the number for a compiler


def _converts_fp8(device: torch.device) -> bool:
    return not torch.version.hip and torch.cuda.get_device_capability(device) >= _NATIVE_FP8


def launch(x: Tensor, codes: Tensor, scales: Tensor, dots: bool) -> Tensor:
    """Multiply by a kernel; fp8 may come as its bytes. Without `dots` no tensor core is used."""
    return _dot(x, codes, scales) if dots and len(x) > 1 else _sum(x, codes, scales)


def _sum(x: Tensor, codes: Tensor, scales: Tensor) -> Tensor:
    (rows, columns), outs = x.shape, len(codes)
    out = x.new_empty(rows, outs)
    down = 8 if outs >= 8192 else 4  # outputs a program
    across = _divisor(columns, 4096)  # weights of an output at a time
    # Programs of the same weights run side by side: one of them reads, the others find them near.
    grid, warps = (rows, outs // down), 8 if across * down >= 16384 else 4
    sizes = (outs, columns, down, across)
    _sum_kernel[grid](x, codes, scales, out, *sizes, *_form(codes, scales), num_warps=warps)
    return out


def _dot(x: Tensor, codes: Tensor, scales: Tensor) -> Tensor:
    (rows, columns), outs = x.shape, len(codes)
    is_small = columns >= 4096 and outs <= 2048 and columns % (64 * _PARTS) == 0
    parts = _PARTS if is_small else 1
    kind = torch.float32 if is_small else x.dtype
    out = torch.empty(parts, rows, outs, dtype=kind, device=x.device)
    down, warps = (_divisor(outs, 64), 4) if outs >= 4096 else (16, 2)
    across = _divisor(columns // parts, 128)
    padded = min(64, max(16, triton.next_power_of_2(rows)))
    grid = (triton.cdiv(rows, padded), outs // down, parts)
    sizes = (rows, outs, columns, parts, padded, down, across)
    options = {"num_warps": warps, "num_stages": 3 if padded == 64 else 4}
    _dot_kernel[grid](x, codes, scales, out, *sizes, *_form(codes, scales), **options)
    return out.sum(dim=0).to(x.dtype) if is_small else out[0]


def _form(codes: Tensor, scales: Tensor) -> tuple[bool, float]:
    """Say whether bytes hold two int4 codes, and which factor `_values` leaves out."""
    is_int4 = scales.dim() == 2
    return is_int4, _FP8_SHIFT if codes.dtype == torch.uint8 and not is_int4 else 1.0


def _divisor(n: int, most: int) -> int:
    """Return the largest power of two up to `most` that divides n."""
    return min(n & -n, most)


@triton.jit
def _values(codes):
    """Turn codes of a byte to float32; fp8's bytes to 1/256 of their values, by float16's bits."""
    if codes.dtype == tl.uint8:
        wide = codes.to(tl.uint16)
        bits = ((wide & 0x80) << 8) | ((wide & 0x7F) << 7)
        values = bits.to(tl.float16, bitcast=True).to(tl.float32)
    else:
        values = codes.to(tl.float32)
    return values


# Of the branches on `is_int4`, a constant, each kernel is built with one.


@triton.jit
def _sum_kernel(
    x,
    codes,
    scales,
    out,
    outs: tl.constexpr,
    columns: tl.constexpr,
    down: tl.constexpr,
    across: tl.constexpr,
    is_int4: tl.constexpr,
    factor: tl.constexpr,
):
    m = tl.program_id(0)
    n = tl.program_id(1) * down + tl.arange(0, down)
    if is_int4:
        groups: tl.constexpr = across // (2 * _HALF)
        all_groups: tl.constexpr = columns // (2 * _HALF)
        i = tl.arange(0, _HALF)
        total = tl.zeros((down, groups), tl.float32)
        for first in range(0, all_groups, groups):
            g = first + tl.arange(0, groups)
            inside = g[None, :, None] * _HALF + i[None, None, :]
            pairs = tl.load(codes + n[:, None, None] * (columns // 2) + inside)
            at = x + m * columns + g[None, :, None] * (2 * _HALF) + i[None, None, :]
            products = ((pairs & 15).to(tl.float32) - 8) * tl.load(at).to(tl.float32)
            products += ((pairs >> 4).to(tl.float32) - 8) * tl.load(at + _HALF).to(tl.float32)
            scale = tl.load(scales + n[:, None] * all_groups + g[None, :]).to(tl.float32)
            total += tl.sum(products, axis=2) * scale
        y = tl.sum(total, axis=1)
    else:
        k = tl.arange(0, across)
        total = tl.zeros((down, across), tl.float32)
        for first in range(0, columns, across):
            weights = _values(tl.load(codes + n[:, None] * columns + (first + k)[None, :]))
            total += weights * tl.load(x + m * columns + first + k).to(tl.float32)[None, :]
        y = tl.sum(total, axis=1) * (tl.load(scales + n).to(tl.float32) * factor)
    tl.store(out + m * outs + n, y.to(out.dtype.element_ty))


@triton.jit(do_not_specialize=["rows"])
def _dot_kernel(
    x,
    codes,
    scales,
    out,
    rows,
    outs: tl.constexpr,
    columns: tl.constexpr,
    parts: tl.constexpr,
    padded: tl.constexpr,
    down: tl.constexpr,
    across: tl.constexpr,
    is_int4: tl.constexpr,
    factor: tl.constexpr,
):
    m = tl.program_id(0) * padded + tl.arange(0, padded)
    n = tl.program_id(1) * down + tl.arange(0, down)
    part = tl.program_id(2)
    here = (m < rows)[None, :]
    total = tl.zeros((down, padded), tl.float32)
    if is_int4:
        groups: tl.constexpr = across // (2 * _HALF)
        all_groups: tl.constexpr = columns // (2 * _HALF)
        i = tl.arange(0, _HALF)
        j = tl.arange(0, groups * _HALF)
        at = (j // _HALF) * (2 * _HALF) + j % _HALF  # the column of weight j of the first halves
        for first in range(0, all_groups // parts, groups):
            g = part * (all_groups // parts) + first + tl.arange(0, groups)
            inside = g[None, :, None] * _HALF + i[None, None, :]
            pairs = tl.load(codes + n[:, None, None] * (columns // 2) + inside)
            scale = tl.load(scales + n[:, None] * all_groups + g[None, :])
            scale = scale.to(tl.float32)[:, :, None]
            low = (((pairs & 15).to(tl.float32) - 8) * scale).to(x.dtype.element_ty)
            high = (((pairs >> 4).to(tl.float32) - 8) * scale).to(x.dtype.element_ty)
            k = (part * (all_groups // parts) + first) * (2 * _HALF) + at
            inputs = x + m[None, :] * columns + k[:, None]
            low = tl.reshape(low, (down, groups * _HALF))
            high = tl.reshape(high, (down, groups * _HALF))
            total = tl.dot(low, tl.load(inputs, mask=here, other=0.0), total)
            total = tl.dot(high, tl.load(inputs + _HALF, mask=here, other=0.0), total)
    else:
        for first in range(0, columns // parts, across):
            k = part * (columns // parts) + first + tl.arange(0, across)
            weights = _values(tl.load(codes + n[:, None] * columns + k[None, :]))
            inputs = tl.load(x + m[None, :] * columns + k[:, None], mask=here, other=0.0)
            total = tl.dot(weights.to(x.dtype.element_ty), inputs, total)
        total *= (tl.load(scales + n).to(tl.float32) * factor)[:, None]
    out_at = out + (part * rows + m)[None, :] * outs + n[:, None]
    tl.store(out_at, total.to(out.dtype.element_ty), mask=here)
