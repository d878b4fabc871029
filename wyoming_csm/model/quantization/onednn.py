"""bfloat16, int8 and int4 on a CPU: weights in the order that its products read the fastest."""

import torch
from einops import rearrange
from torch import Tensor, nn

from wyoming_csm.model.csm import CsmModel
from wyoming_csm.model.quantization.linear import (
    INT4_GROUP,
    QuantizedLinear,
    multiply_in_blocks,
    unpack_int4,
)

_FEW = 16  # rows: with more, dequantising is faster than torch's int8 product
LEAST = 2**18  # weights: a smaller matrix is in the CPU's cache, and takes no time either way


class PackedLinear(nn.Module):
    """y = x @ weightᵀ as `nn.Linear` has it, with its weight in an order only oneDNN knows."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        ordered = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), 1)
        self.weight = nn.Parameter(ordered, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """x [..., in] to [..., out]."""
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, None, "none", [], "")  # type: ignore[no-any-return]


class Int8Linear(nn.Module):
    """An int8 `QuantizedLinear` whose product with a few rows reads the codes as they are."""

    codes: Tensor
    scales: Tensor

    def __init__(self, layer: QuantizedLinear) -> None:
        super().__init__()
        self.register_buffer("codes", layer.codes)
        self.register_buffer("scales", layer.scales)

    def forward(self, x: Tensor) -> Tensor:
        """Multiply x [..., in] to [..., out]."""
        flat = x.reshape(-1, x.shape[-1]).contiguous()
        if len(flat) <= _FEW:
            y: Tensor = torch.ops.aten._weight_int8pack_mm(flat, self.codes, self.scales)
        else:
            y = multiply_in_blocks(flat, self.codes, self.scales)
        return y.view(*x.shape[:-1], -1)


class Int4Linear(nn.Module):
    """An int4 `QuantizedLinear` with its codes in the order of torch's product on a CPU."""

    def __init__(self, layer: QuantizedLinear) -> None:
        super().__init__()
        codes = unpack_int4(layer.codes, layer.scales.shape[1]).int()
        codes = rearrange(codes, "out groups group -> out (groups group)")
        codes = torch.ops.aten._convert_weight_to_int4pack_for_cpu(codes, 1)
        scales = rearrange(layer.scales, "out groups -> groups out")
        self.register_buffer("codes", codes)
        self.register_buffer("scales", torch.stack((scales, torch.zeros_like(scales)), dim=2))

    def forward(self, x: Tensor) -> Tensor:
        """Multiply x [..., in] to [..., out]."""
        flat = x.reshape(-1, x.shape[-1]).contiguous()
        y: Tensor = torch.ops.aten._weight_int4pack_mm_for_cpu(
            flat, self.codes, INT4_GROUP, self.scales
        )
        return y.view(*x.shape[:-1], -1)


def pack(model: CsmModel) -> bool:
    """Replace what a CPU multiplies faster in another order; say whether anything was.

    One row in bfloat16 then takes a fifth less time; a model in another type stays as it is. Not
    for torch.compile, which has an order of its own.
    """
    if model.device.type != "cpu" or model.dtype != torch.bfloat16:
        return False
    packed = False
    for name in [name for name, _ in model.named_modules()]:  # holds none: the plain ones must go
        layer = _packed(model.get_submodule(name))
        if layer is not None:
            model.set_submodule(name, layer)
            packed = True
    return packed


def _packed(layer: nn.Module) -> nn.Module | None:
    if isinstance(layer, QuantizedLinear) and layer.is_in_blocks and layer.kind != "fp8":
        return Int8Linear(layer) if layer.kind == "int8" else Int4Linear(layer)
    if not isinstance(layer, nn.Linear) or layer.weight.numel() < LEAST:
        return None
    has_onednn: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return PackedLinear(layer) if has_onednn else None
