"""Builds Triton kernels for the card that is made up: the compiler's, and this engine's own."""

# mypy: allow-untyped-calls

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor

from benchmarks.blueprint.cubin import Usage, least, usage
from wyoming_csm.model.quantization.linear import KINDS, QuantizedLinear, QuantKind

_ROWS = (1, 2, 4, 8, 32, 64)  # of x: prompts are products of many


@dataclass(frozen=True)
class Built:
    """A kernel of ours: `what` it was built for, and whether it uses the tensor cores."""

    what: str
    usage: Usage
    tensor_cores: bool


def generated(sources: dict[str, str]) -> dict[str, Usage]:
    """Of kernels as PyTorch's compiler wrote them, by their names."""
    from torch._inductor.codecache import PyCodeCache

    found = {}
    for name, source in sources.items():
        kernel = getattr(PyCodeCache.load(source), name)
        kernel._precompile_worker()
        built = [result.kernel for result in kernel.compile_results]
        found[name] = least([usage(each.asm["cubin"], each.metadata.shared) for each in built])
    return found


def ours(
    shapes: Sequence[tuple[int, int]], dtype: torch.dtype, device: torch.device
) -> list[Built]:
    """For matrices of these shapes (out, in) in every type that they may be kept in."""
    found = {}
    for kind, (outs, ins), rows in product(KINDS, shapes, _ROWS):
        x = torch.empty(rows, ins, dtype=dtype, device=device)
        for kernel in launched(_layer(kind, outs, ins, dtype, device), x):
            if kernel.hash not in found:
                taken = usage(kernel.asm["cubin"], kernel.metadata.shared)
                what = f"{kind} {outs}x{ins} rows {rows}"
                found[kernel.hash] = Built(what, taken, "mma" in kernel.asm["ptx"])
    return list(found.values())


def launched(layer: QuantizedLinear, x: Tensor) -> list[Any]:
    """The kernels of ours that a product launches: built, not run."""
    with recorded() as kernels:
        layer(x)
    return kernels


@contextmanager
def recorded() -> Iterator[list[Any]]:
    """Within it Triton's kernels are built and listed where they would be launched."""
    from triton.runtime.jit import JITFunction

    from wyoming_csm.model.quantization import triton_kernels

    found: list[Any] = []
    run, multiply = JITFunction.run, triton_kernels.multiply

    def build(kernel: Any, *args: Any, **options: Any) -> None:
        options["warmup"] = True
        found.append(run(kernel, *map(_mock, args), **options))

    JITFunction.run = build
    # What the operator does, where tensors without contents would only be told its result's shape.
    triton_kernels.multiply = multiply._init_fn  # type: ignore[assignment]
    try:
        yield found
    finally:
        JITFunction.run, triton_kernels.multiply = run, multiply


def _mock(argument: object) -> object:
    """A tensor's type is all that is compiled for; its memory begins at 16 bytes, as all does."""
    from triton.runtime.jit import MockTensor

    return MockTensor(argument.dtype) if isinstance(argument, Tensor) else argument


def _layer(
    kind: QuantKind, out_features: int, in_features: int, dtype: torch.dtype, device: torch.device
) -> QuantizedLinear:
    layer = QuantizedLinear(kind, out_features, in_features, device)
    layer.finalize(dtype)
    return layer
