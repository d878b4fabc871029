"""Where CSM computes and in what: what is chosen, and what is said where nothing can be."""

import ctypes
from types import SimpleNamespace

import pytest
import torch

from wyoming_csm.config import CsmConfig
from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.model import toolchain
from wyoming_csm.worker.csm import device as chosen
from wyoming_csm.worker.csm.device import (
    Precision,
    choose_device,
    choose_precision,
    chooses_compile,
    look_for_gpu,
    why_slow,
)
from wyoming_csm.worker.csm.gpu_faults import (
    Surroundings,
    check_code,
    driver_cuda,
    explain_absence,
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


@pytest.mark.parametrize(
    ("compiler", "cause"), [(False, "apt install gcc"), (True, "capability below 7.0")]
)
def test_a_gpu_that_no_kernel_is_built_for_is_slow_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, compiler: bool, cause: str
) -> None:
    monkeypatch.setattr(toolchain, "has_triton", lambda: compiler)
    monkeypatch.setattr(chosen, "has_triton", lambda: compiler)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (6, 1))
    quantised = Precision("int8", "int8", torch.bfloat16)
    assert cause in (why_slow(quantised, CUDA) or "")
    assert cause in (why_slow(Precision("bfloat16", "int4", torch.bfloat16), CUDA) or "")
    assert why_slow(Precision("bfloat16", "bfloat16", torch.bfloat16), CUDA) is None
    assert why_slow(quantised, CPU) is None


NVIDIA = frozenset({"nvidiactl"})
WSL = frozenset({"dxg"})
AMD = frozenset({"kfd"})
CARD = frozenset({"card"})
DRIVER = frozenset({"driver"})
DOCKER = frozenset({"container"})


@pytest.mark.parametrize(
    ("here", "reason", "cure"),
    [
        (Surroundings(), "no GPU is here", "another engine speaks"),
        (Surroundings(cuda="13.0"), "no GPU is here", "another engine speaks"),
        (Surroundings(signs=WSL), "no GPU is here", "another engine speaks"),  # always there
        (Surroundings(signs=CARD), "a build without CUDA", "TORCH=cu130"),
        (Surroundings(signs=NVIDIA, library=(13, 0)), "without CUDA", "TORCH=cu130"),
        (Surroundings(signs=NVIDIA, library=(12, 4)), "without CUDA", "TORCH=cu126"),
        (Surroundings(signs=NVIDIA, library=(11, 4)), "without CUDA", "update the driver to 580"),
        (Surroundings(signs=WSL, library=(13, 0)), "without CUDA", "./run.sh again"),
        (Surroundings(signs=AMD), "an AMD GPU is here", "ROCm wheels"),
        (Surroundings(cuda="13.0", signs=AMD), "an AMD GPU is here", "ROCm wheels"),
        (Surroundings(hip="7.2"), "PyTorch finds no AMD GPU", "rocminfo"),
        (
            Surroundings(cuda="13.0", signs=CARD),
            "driver is not loaded",
            "install the NVIDIA driver",
        ),
        (
            Surroundings(cuda="13.0", signs=DOCKER | DRIVER),
            "the container was given no GPU",
            "the host needs the NVIDIA Container Toolkit",
        ),
        (
            Surroundings(cuda="13.0", signs=DOCKER),
            "the container was given no GPU",
            "the host needs the NVIDIA driver and the NVIDIA Container Toolkit",
        ),
        (
            Surroundings(cuda="13.0", signs=DOCKER | NVIDIA),
            "libcuda.so.1) is missing",
            "let the NVIDIA Container Toolkit",
        ),
        (Surroundings(cuda="13.0", signs=NVIDIA), "libcuda.so.1) is missing", "nvidia-driver"),
        (Surroundings(cuda="13.0", signs=WSL), "to WSL", "driver in Windows"),
        (
            Surroundings(cuda="13.0", signs=NVIDIA, library=(12, 4)),
            "it knows CUDA 12.4, PyTorch needs 13.0",
            "update the driver to 580 or newer; or start ./run.sh again",
        ),
        (
            Surroundings(cuda="12.6", signs=NVIDIA, library=(12, 4)),
            "though the driver is here",
            "nvidia-smi",
        ),
        (
            Surroundings(cuda="13.0", signs=NVIDIA, library=(13, 0), hidden=True),
            "CUDA_VISIBLE_DEVICES",
            "unset it",
        ),
    ],
)
def test_each_case_has_its_cure(here: Surroundings, reason: str, cure: str) -> None:
    found = explain_absence(here)
    assert reason in found.reason
    assert cure in found.cure


CU130 = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120"]
CU126 = ["sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90"]


@pytest.mark.parametrize(
    ("card", "build", "cure"),
    [
        ((8, 9), CU130, None),
        ((12, 1), CU130, None),
        ((13, 0), CU130, None),  # compiled by the driver
        ((6, 1), CU126, None),
        ((6, 1), CU130, "TORCH=cu126"),
        ((12, 0), CU126, "update the driver to 580 or newer, then .* TORCH=cu130"),
        ((3, 5), CU126, "another engine speaks"),
    ],
)
def test_which_cards_a_build_serves(
    card: tuple[int, int], build: list[str], cure: str | None
) -> None:
    if cure is None:
        check_code(card, build, "it")
    else:
        with pytest.raises(EngineUnavailable, match=rf"capability {card[0]}.{card[1]}\).*{cure}"):
            check_code(card, build, "it")


def test_this_machine_can_be_looked_at() -> None:
    assert explain_absence(look_for_gpu()).cure


def test_the_driver_is_asked_for_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([(0, 13_000), (100, 0)])

    def ask(version: "ctypes._CArgObject") -> int:
        failed, said = next(answers)
        ctypes.cast(version, ctypes.POINTER(ctypes.c_int))[0] = said
        return failed

    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(cuDriverGetVersion=ask))
    assert driver_cuda() == (13, 0)
    assert driver_cuda() is None

    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert driver_cuda() is None
