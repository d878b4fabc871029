"""Quantised layers: near what they stand for, small, and the same by every way of multiplying."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

from benchmarks.agreement import teacher_forced
from benchmarks.roofline import bytes_per_frame
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.model.quantization import linear
from wyoming_csm.model.quantization.linear import (
    KINDS,
    QuantizedLinear,
    QuantKind,
    dequantize,
    linear_bytes,
    multiply_in_blocks,
    quantize,
)
from wyoming_csm.model.transformer import RmsNorm

CPU = torch.device("cpu")
# Of normal weights. int8 and fp8 follow from their steps; int4 was measured.
ERRORS: dict[QuantKind, float] = {"int8": 0.012, "fp8": 0.03, "int4": 0.085}


def weight(outs: int, ins: int) -> Tensor:
    return 0.02 * torch.randn(outs, ins, generator=torch.Generator().manual_seed(0))


def error(found: Tensor, exact: Tensor) -> float:
    return float((found.float() - exact).norm() / exact.norm())


def layer_of(kind: QuantKind, weights: Tensor) -> QuantizedLinear:
    layer = QuantizedLinear(kind, len(weights), weights.shape[1], CPU)
    layer.fill(0, weights)
    return layer


@pytest.mark.parametrize("kind", KINDS)
def test_codes_stand_for_the_weights(kind: QuantKind) -> None:
    weights = weight(64, 256)
    weights[3] = 0
    again = dequantize(*quantize(weights, kind), torch.float32)
    assert error(again, weights) < ERRORS[kind]
    assert not again[3].any()


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_are_quantised_by_themselves(kind: QuantKind) -> None:
    weights = weight(48, 128)
    whole, parts = layer_of(kind, weights), QuantizedLinear(kind, 48, 128, CPU)
    for start in (0, 5, 40):
        parts.fill(start, weights[start:])
    assert torch.equal(parts.codes.view(torch.uint8), whole.codes.view(torch.uint8))
    assert torch.equal(parts.scales, whole.scales)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 3, 20])
def test_every_product_is_that_of_the_weights(kind: QuantKind, dtype: torch.dtype, n: int) -> None:
    layer = layer_of(kind, weight(48, 128))
    exact = dequantize(layer.codes, layer.scales, torch.float32)
    x = torch.randn(2, n, 128, generator=torch.Generator().manual_seed(1)).to(dtype)
    layer.finalize(dtype)
    y = layer(x)
    assert y.shape == (2, n, 48)
    assert y.dtype == dtype
    assert error(y, x.float() @ exact.T) < (5e-3 if dtype == torch.bfloat16 else 1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("outs", "ins"), [(131, 24), (24, 48), (16, 32)])
def test_shapes_that_are_no_whole_blocks(kind: QuantKind, outs: int, ins: int) -> None:
    """torch's own products would read beyond them."""
    layer = layer_of(kind, weight(outs, ins))
    exact = dequantize(layer.codes, layer.scales, torch.float32)
    layer.finalize(torch.bfloat16)
    x = torch.randn(2, ins).bfloat16()
    assert error(layer(x), x.float() @ exact.T) < 1e-2


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_are_foretold(kind: QuantKind) -> None:
    for shape in ((48, 128), (131, 24)):
        layer = QuantizedLinear(kind, *shape, CPU)
        assert linear_bytes(kind, *shape) == sum(b.nbytes for b in layer.buffers())
    assert linear_bytes("bfloat16", 3, 5) == 30


@pytest.mark.parametrize("kind", KINDS)
def test_a_quantised_model_says_nearly_the_same(tiny_csm: Path, kind: QuantKind) -> None:
    checkpoint = Checkpoint(tiny_csm)
    plain = checkpoint.load(torch.bfloat16, CPU)
    small = checkpoint.load(torch.bfloat16, CPU, backbone=kind, depth=kind)
    found = error(teacher_forced(small, 12), teacher_forced(plain, 12))
    share = bytes_per_frame(small) / bytes_per_frame(plain)
    print(f"{kind}: error of the logits {found:.3f}, bytes of a frame {share:.3f}")
    assert found <= {"int8": 5e-2, "fp8": 0.2, "int4": 0.6}[kind]
    assert share <= {"int8": 0.55, "fp8": 0.55, "int4": 0.37}[kind]


def test_the_parts_are_quantised_apart(tiny_csm: Path) -> None:
    model = Checkpoint(tiny_csm).load(torch.bfloat16, CPU, depth="int8")
    quantised = {n for n, m in model.named_modules() if isinstance(m, QuantizedLinear)}
    assert all(name.startswith("depth.") for name in quantised)
    assert {"depth.projection", "depth.heads.6", "depth.transformer.layers.1.down"} <= quantised
    assert isinstance(model.head, torch.nn.Linear)


def test_the_bytes_of_a_frame_are_those_that_its_layers_read(tiny_csm: Path) -> None:
    model = Checkpoint(tiny_csm).load(torch.bfloat16, CPU, backbone="int8", depth="int8")
    read = []
    for module in model.modules():
        own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        if isinstance(module, QuantizedLinear):
            module.register_forward_hook(lambda *_, own=own: read.extend(own))
        elif isinstance(module, RmsNorm):
            module.register_forward_hook(lambda m, *_: read.append(m.weight))
    teacher_forced(model, 1)
    assert bytes_per_frame(model) == sum(tensor.nbytes for tensor in read)


# Interpreted: NumPy does what the GPU would. It has no sums of products in bfloat16.
_KERNELS = """
import torch
from tests.model.quantization.test_linear import error, weight
from wyoming_csm.model.quantization.triton_kernels import launch
from wyoming_csm.model.quantization.linear import KINDS, dequantize, quantize

for shape in ((48, 64), (16, 4096), (32, 192)):
    for kind in KINDS:
        codes, scales = quantize(weight(*shape), kind)
        exact = dequantize(codes, scales, torch.float32)
        for codes in (codes, codes.view(torch.uint8)) if kind == "fp8" else (codes,):
            for rows, dtype, dots in ((1, torch.bfloat16, True), (1, torch.half, True),
                                      (3, torch.half, True), (70, torch.half, True),
                                      (4, torch.half, False)):
                x = torch.randn(rows, shape[1]).to(dtype)
                y = launch(x, codes, scales, dots)
                assert (y.shape, y.dtype) == ((rows, shape[0]), dtype)
                assert error(y, x.float() @ exact.T) < 5e-3, (shape, kind, rows)
"""


@pytest.mark.slow
@pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")
def test_the_kernels_multiply() -> None:
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    subprocess.run([sys.executable, "-c", _KERNELS], check=True, env=environment)


@pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")
def test_a_compiler_may_leave_the_rows_of_a_product_open() -> None:
    """Else a frame of another number of slots is compiled anew, while a GPU is made ready."""
    from wyoming_csm.model.quantization.triton_kernels import multiply

    codes = torch.zeros(32, 64, dtype=torch.int8)
    scales = torch.zeros(32, dtype=torch.int16)
    traced = make_fx(multiply, tracing_mode="symbolic")(torch.ones(2, 64), codes, scales)
    (product,) = (node for node in traced.graph.nodes if "multiply" in str(node.target))
    assert isinstance(product.meta["val"].shape[0], torch.SymInt)


@pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")
@pytest.mark.parametrize(
    ("capability", "kernels"),
    [((7, 5), [(1, False), (4, False)]), ((8, 6), [(1, True), (4, True), (5, True)])],
)
def test_more_rows_than_the_card_has_a_kernel_for_are_multiplied_in_blocks(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], kernels: list[tuple[int, bool]]
) -> None:
    """Tensor cores that Triton does not use are cuBLAS's to use."""
    from wyoming_csm.model.quantization import triton_kernels as module

    launched: list[tuple[int, bool]] = []

    def launch(x: Tensor, codes: Tensor, scales: Tensor, dots: bool) -> Tensor:
        launched.append((len(x), dots))
        return multiply_in_blocks(x, codes, scales)

    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(module, "launch", launch)
    codes, scales = quantize(weight(48, 64), "int8")
    exact = dequantize(codes, scales, torch.float32)
    for rows in (1, 4, 5, 300):
        x = torch.randn(rows, 64)
        assert error(module.multiply(x, codes, scales.view(torch.int16)), x @ exact.T) < 1e-6
    assert launched == kernels


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_on_a_gpu_has_no_bfloat16(monkeypatch: pytest.MonkeyPatch, kind: QuantKind) -> None:
    """torch.compile refuses it on a card before Ampere, whatever is done with it."""
    for name in ("builds_for", "runs_kernels"):
        monkeypatch.setattr(linear, name, lambda *_: True)
    with FakeTensorMode(), torch.device("cuda"):
        layer = QuantizedLinear(kind, 48, 64, torch.device("cuda"))
        layer.finalize(torch.float16)
    assert torch.bfloat16 not in {buffer.dtype for buffer in layer.buffers()}


def test_without_kernels_it_multiplies_in_blocks(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A compiler that is there and cannot link: asked once, not by each of a hundred layers."""
    asked: list[Tensor] = []

    def multiply(x: Tensor, *_: Tensor) -> Tensor:
        asked.append(x)
        raise subprocess.CalledProcessError(1, ["gcc", "-lcuda"])

    broken = ModuleType("wyoming_csm.model.quantization.triton_kernels")
    broken.multiply = multiply  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, broken.__name__, broken)
    monkeypatch.setattr(linear, "builds_for", lambda device: True)
    linear.runs_kernels.cache_clear()
    with FakeTensorMode(), torch.device("cuda"):
        for _ in range(3):
            layer = QuantizedLinear("int8", 48, 64, torch.device("cuda"))
            layer.finalize(torch.float16)
            assert layer.scales.dtype == torch.bfloat16, "as blocks have them"
    linear.runs_kernels.cache_clear()
    assert len(asked) == 1
    (line,) = caplog.records
    assert "['gcc', '-lcuda']" in line.getMessage()
