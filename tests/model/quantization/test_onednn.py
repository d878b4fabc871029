"""Packed weights give what plain ones give."""

from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks.roofline import bytes_per_frame
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.model.csm import CsmModel
from wyoming_csm.model.quantization import onednn
from wyoming_csm.model.quantization.onednn import PackedLinear, pack

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
    monkeypatch.setattr(onednn, "_LEAST", 1)
    pack(half)
    assert not any(isinstance(module, nn.Linear) for module in half.modules())
    assert bytes_per_frame(half) == read
    torch.testing.assert_close(half.first_logits(hidden), before, rtol=1e-2, atol=1e-2)
    pack(model)
    assert not any(isinstance(module, PackedLinear) for module in model.modules()), "float32"
