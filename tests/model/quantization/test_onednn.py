"""Packed weights give what plain ones give."""

from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks.fixtures.random_csm import make_tiny_csm
from benchmarks.roofline import bytes_per_frame
from tests.model.quantization.test_linear import error, layer_of, weight
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.model.csm import CsmModel
from wyoming_csm.model.quantization import onednn
from wyoming_csm.model.quantization.linear import KINDS, QuantizedLinear, QuantKind, dequantize
from wyoming_csm.model.quantization.onednn import Int4Linear, Int8Linear, PackedLinear, pack

_ONEDNN = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
pytestmark = pytest.mark.skipif(not _ONEDNN, reason="this torch has no oneDNN")


def test_a_packed_layer_multiplies_as_a_plain_one() -> None:
    torch.manual_seed(0)
    plain = nn.Linear(512, 768, bias=False, dtype=torch.bfloat16).requires_grad_(False)
    layer = PackedLinear(plain)
    for shape in ((1, 512), (5, 512), (2, 3, 512)):
        x = torch.randn(shape, dtype=torch.bfloat16)
        torch.testing.assert_close(layer(x), plain(x), rtol=1e-2, atol=1e-2)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(layer(x), plain(-x), rtol=1e-2, atol=1e-2)


def test_a_model_is_packed_only_where_it_pays(
    tiny_csm: Path, model: CsmModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = Checkpoint(tiny_csm).load(torch.bfloat16, torch.device("cpu"))
    hidden = torch.randn(3, 32, dtype=torch.bfloat16)
    before, read = half.first_logits(hidden), bytes_per_frame(half)
    pack(half)
    assert not any(isinstance(module, PackedLinear) for module in half.modules()), "all are small"
    monkeypatch.setattr(onednn, "LEAST", 1)
    pack(half)
    assert not any(isinstance(module, nn.Linear) for module in half.modules())
    assert bytes_per_frame(half) == read
    torch.testing.assert_close(half.first_logits(hidden), before, rtol=1e-2, atol=1e-2)
    pack(model)
    assert not any(isinstance(module, PackedLinear) for module in model.modules()), "float32"


@pytest.mark.parametrize("kind", ["int8", "int4"])
@pytest.mark.parametrize("n", [1, 3, 20])
def test_a_packed_quantised_layer_multiplies_by_the_same_weights(kind: QuantKind, n: int) -> None:
    layer = layer_of(kind, weight(48, 128))
    exact = dequantize(layer.codes, layer.scales, torch.float32)
    packed = Int8Linear(layer) if kind == "int8" else Int4Linear(layer)
    x = torch.randn(2, n, 128, generator=torch.Generator().manual_seed(1)).bfloat16()
    y = packed(x)
    assert (y.shape, y.dtype) == ((2, n, 48), torch.bfloat16)
    assert error(y, x.float() @ exact.T) < 5e-3


@pytest.mark.parametrize("kind", KINDS)
def test_quantised_layers_are_packed_only_in_whole_blocks(tmp_path: Path, kind: QuantKind) -> None:
    """torch's own products would read beyond others, and it has none of fp8."""
    checkpoint = Checkpoint(make_tiny_csm(tmp_path, codebooks=8))
    model = checkpoint.load(torch.bfloat16, torch.device("cpu"), backbone=kind, depth=kind)
    quantised = {n: m for n, m in model.named_modules() if isinstance(m, QuantizedLinear)}
    fit = {n for n, m in quantised.items() if m.is_in_blocks and kind != "fp8"}
    assert fit < quantised.keys()
    assert pack(model) == bool(fit)
    left = {n for n, m in model.named_modules() if isinstance(m, QuantizedLinear)}
    assert left == quantised.keys() - fit
