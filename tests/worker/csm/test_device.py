"""Where CSM computes and in what: what is chosen, and what is said where nothing can be."""

import pytest
import torch

from wyoming_csm.config import CsmConfig
from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.worker.csm import device as chosen
from wyoming_csm.worker.csm.device import (
    Precision,
    choose_device,
    choose_precision,
    chooses_compile,
)

CPU, CUDA = torch.device("cpu"), torch.device("cuda:0")


def test_where_it_cannot_run_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("cpu") == CPU
    with pytest.raises(EngineUnavailable, match=r"CUDA|GPU") as refused:
        choose_device("auto")
    assert refused.value.cure
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (6, 1))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "GTX 1080")
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_80"])
    with pytest.raises(EngineUnavailable, match=r"no code for GTX 1080 \(capability 6.1\)"):
        choose_device("cuda:0")
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_60", "sm_80"])
    assert choose_device("cuda:0") == CUDA
    with pytest.raises(EngineUnavailable, match="there is no cuda:3"):
        choose_device("cuda:3")


@pytest.mark.parametrize(
    ("capability", "expected"), [((7, 5), "float16"), ((8, 6), "bfloat16"), ((12, 0), "bfloat16")]
)
def test_sixteen_bits_that_the_card_can(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    half = getattr(torch, expected)
    assert choose_precision(CsmConfig(), CUDA) == Precision(expected, expected, half)  # type: ignore[arg-type]
    assert choose_precision(CsmConfig(dtype="int8"), CUDA) == Precision("int8", "int8", half)
    assert choose_precision(CsmConfig(dtype="float32"), CUDA).compute == torch.float32


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (CsmConfig(), Precision("float32", "float32", torch.float32)),
        (CsmConfig(dtype="float16"), Precision("float16", "float16", torch.float16)),
        (CsmConfig(dtype="int8"), Precision("int8", "int8", torch.bfloat16)),
        (CsmConfig(depth_dtype="int4"), Precision("float32", "int4", torch.float32)),
        (CsmConfig(dtype="int8", depth_dtype="fp8"), Precision("int8", "fp8", torch.bfloat16)),
        (
            CsmConfig(dtype="int8", depth_dtype="float16"),
            Precision("int8", "float16", torch.float16),
        ),
    ],
)
def test_types_on_the_cpu(settings: CsmConfig, expected: Precision) -> None:
    assert choose_precision(settings, CPU) == expected


def test_two_plain_types_do_not_go_together() -> None:
    with pytest.raises(EngineUnavailable, match="do not go together") as refused:
        choose_precision(CsmConfig(dtype="bfloat16", depth_dtype="float16"), CPU)
    assert "int8" in refused.value.cure


def test_types_are_told_in_words() -> None:
    assert str(Precision("int8", "int8", torch.bfloat16)) == "int8"
    assert str(Precision("int8", "int4", torch.bfloat16)) == "int8 (depth decoder int4)"


@pytest.mark.parametrize("triton", [False, True])
def test_parts_are_compiled_where_it_pays(monkeypatch: pytest.MonkeyPatch, triton: bool) -> None:
    monkeypatch.setattr(chosen, "builds_for", lambda device: triton)
    assert chooses_compile(CsmConfig(), CUDA) == triton
    assert not chooses_compile(CsmConfig(), CPU), "minutes for little"
    assert chooses_compile(CsmConfig(compile=True), CPU)
    assert not chooses_compile(CsmConfig(compile=False), CUDA)
