"""On a CUDA GPU: our kernels multiply as the weights themselves would, in graphs and compiled."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks.agreement import teacher_forced
from tests.tiny_csm import make_tiny_csm
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.model.quantization.linear import KINDS, QuantizedLinear, QuantKind, dequantize

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU on this machine"),
    pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed"),
]
# out, in of the real layers: depth decoder, heads, backbone.
SHAPES = [(1536, 1024), (1024, 1024), (16384, 1024), (1024, 8192), (2048, 1024)]
SHAPES += [(3072, 2048), (2048, 2048), (16384, 2048), (2048, 8192), (1024, 2048)]


def layer_of(
    kind: QuantKind, shape: tuple[int, int], dtype: torch.dtype
) -> tuple[QuantizedLinear, Tensor]:
    device = torch.device("cuda")
    layer = QuantizedLinear(kind, *shape, device)
    layer.fill(0, 0.02 * torch.randn(shape, device=device))
    exact = dequantize(layer.codes, layer.scales, torch.float32)
    layer.finalize(dtype)
    return layer, exact


def error(found: Tensor, exact: Tensor) -> float:
    return float((found.float() - exact).norm() / exact.norm())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_product_is_that_of_the_weights(
    kind: QuantKind, shape: tuple[int, int], dtype: torch.dtype
) -> None:
    layer, exact = layer_of(kind, shape, dtype)
    for rows in (1, 2, 4, 8, 16, 32, 64, 100, 256, 300):
        x = torch.randn(rows, shape[1], device="cuda", dtype=dtype)
        y = layer(x)
        assert (y.shape, y.dtype) == ((rows, shape[0]), dtype)
        assert error(y, x.double() @ exact.double().T) < 5e-3, rows


@pytest.mark.parametrize("rows", [1, 2, 17])
def test_fp8_where_the_gpu_cannot_convert_it(rows: int) -> None:
    from wyoming_csm.model.quantization.triton_kernels import launch

    layer, exact = layer_of("fp8", (1024, 8192), torch.bfloat16)
    x = torch.randn(rows, 8192, device="cuda", dtype=torch.bfloat16)
    y = launch(x, layer.codes.view(torch.uint8), layer.scales.view(torch.bfloat16), dots=True)
    assert error(y, x.double() @ exact.double().T) < 5e-3


@pytest.mark.parametrize("rows", [2, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_a_few_rows_without_tensor_cores(kind: QuantKind, rows: int) -> None:
    from wyoming_csm.model.quantization.triton_kernels import launch

    layer, exact = layer_of(kind, (1024, 8192), torch.float16)
    codes = layer.codes.view(torch.uint8) if kind == "fp8" else layer.codes
    x = torch.randn(rows, 8192, device="cuda", dtype=torch.float16)
    y = launch(x, codes, layer.scales.view(torch.bfloat16), dots=False)
    assert error(y, x.double() @ exact.double().T) < 5e-3


@pytest.mark.parametrize("rows", [1, 8])
@pytest.mark.parametrize("kind", KINDS)
def test_a_graph_and_a_compiler_take_it(kind: QuantKind, rows: int) -> None:
    layer, _ = layer_of(kind, (1024, 8192), torch.bfloat16)
    x = torch.randn(rows, 8192, device="cuda", dtype=torch.bfloat16)
    expected = layer(x)
    assert torch.equal(torch.compile(layer, fullgraph=True)(x), expected)
    inputs = torch.zeros_like(x)
    layer(inputs)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = layer(inputs)
    inputs.copy_(x)
    graph.replay()
    assert torch.equal(y, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_is_quantised_on_the_gpu(tmp_path: Path, kind: QuantKind) -> None:
    """As on the CPU, and read from the cache the second time."""
    checkpoint = Checkpoint(make_tiny_csm(tmp_path / "csm", codebooks=8))
    cache = checkpoint.cache(tmp_path / "cache", torch.bfloat16, kind, kind)
    assert cache is not None
    logits = []
    for device, store in (("cpu", None), ("cuda", cache), ("cuda", cache)):
        model = checkpoint.load(
            torch.bfloat16, torch.device(device), backbone=kind, depth=kind, cache=store
        )
        logits.append(teacher_forced(model, 12).cpu())
        if store is not None:
            store.save(model)
    assert len(list((tmp_path / "cache").iterdir())) == 1
    assert error(logits[1], logits[0]) < 5e-2
    assert torch.equal(logits[1], logits[2])
