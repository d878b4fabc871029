"""Where CSM computes and in what: a device or why there is none, types of weights, a compiler."""

import os
from dataclasses import dataclass

import torch

from wyoming_csm.config import CsmConfig, WeightType
from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.gpu_signs import signs
from wyoming_csm.model.quantization.linear import KINDS, QuantKind
from wyoming_csm.model.toolchain import CURE, OLDEST, builds_for, has_triton
from wyoming_csm.worker.csm.gpu_faults import (
    Surroundings,
    check_code,
    driver_cuda,
    explain_absence,
)


def choose_device(wanted: str) -> torch.device:
    """Choose as configured: `auto` is a GPU (ROCm's too) or nothing. Raises EngineUnavailable."""
    if wanted == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        fault = explain_absence(look_for_gpu())
        raise fault if wanted == "auto" else EngineUnavailable(fault.reason, fault.cure)
    device = torch.device("cuda:0" if wanted in ("auto", "cuda") else wanted)
    if device.index >= torch.cuda.device_count():
        raise EngineUnavailable(
            f"there is no {wanted}: {torch.cuda.device_count()} GPUs are here", "correct csm.device"
        )
    if not torch.version.hip:
        card, name = torch.cuda.get_device_capability(device), torch.cuda.get_device_name(device)
        check_code(card, torch.cuda.get_arch_list(), name)
    return device


def look_for_gpu() -> Surroundings:
    """Look at this machine as it is now."""
    return Surroundings(
        cuda=torch.version.cuda,
        hip=torch.version.hip,
        signs=signs(),
        library=driver_cuda(),
        hidden=os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"),
    )


@dataclass(frozen=True)
class Precision:
    """Types of each part's weights; tables, activations and caches are in `compute`."""

    backbone: WeightType
    depth: WeightType
    compute: torch.dtype

    def __str__(self) -> str:
        same = self.backbone == self.depth
        return self.backbone if same else f"{self.backbone} (depth decoder {self.depth})"


def kind_of(name: WeightType) -> QuantKind | None:
    """Say how weights of this type are quantised; None: they are not."""
    return next((kind for kind in KINDS if kind == name), None)


def choose_precision(config: CsmConfig, device: torch.device) -> Precision:
    """Choose as configured: `auto` is what the device is quick and exact enough in.

    Quantised weights are computed with in the other part's type where that is a plain one, else
    in 16 bits. Raises EngineUnavailable: two plain types that differ do not go together.
    """
    automatic: WeightType = "float32" if device.type == "cpu" else _half(device)
    backbone = automatic if config.dtype == "auto" else config.dtype
    depth = config.depth_dtype or backbone
    plain = [name for name in (backbone, depth) if kind_of(name) is None]
    if len(set(plain)) > 1:
        raise EngineUnavailable(
            f"csm.dtype {backbone} and csm.depth_dtype {depth} do not go together",
            "make one of them int8, fp8 or int4, or leave csm.depth_dtype out",
        )
    return Precision(backbone, depth, getattr(torch, plain[0] if plain else _half(device)))


def _half(device: torch.device) -> WeightType:
    if device.type == "cpu" or torch.version.hip:
        return "bfloat16"
    major, _ = torch.cuda.get_device_capability(device)
    # before Ampere (8.0) it is emulated, which PyTorch calls supported too
    return "bfloat16" if major >= 8 else "float16"


def chooses_compile(config: CsmConfig, device: torch.device) -> bool:
    """Say whether parts are compiled: as configured, else on a GPU for which kernels can be built.
    A CPU has its time at matrix products, which no compiler makes quicker."""
    if config.compile is not None:
        return config.compile
    return device.type == "cuda" and builds_for(device)


def why_slow(precision: Precision, device: torch.device) -> str | None:
    """Say what quantised weights lack on a GPU that no kernel can be built for; None: nothing."""
    plain = kind_of(precision.backbone) is kind_of(precision.depth) is None
    if device.type != "cuda" or plain or builds_for(device):
        return None
    if not has_triton():
        return f"{precision} is slow on a GPU without a C compiler: {CURE}"
    return (
        f"{precision} is slow on a GPU of a compute capability below {OLDEST[0]}.{OLDEST[1]}:"
        " it takes less memory there, and more time; csm.dtype: auto is quicker"
    )
