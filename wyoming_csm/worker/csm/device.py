"""Where CSM computes and in what: a device, a type for each part's weights, a compiler or none."""

from dataclasses import dataclass

import torch

from wyoming_csm.config import CsmConfig, WeightType
from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.model.quantization.linear import KINDS, QuantKind
from wyoming_csm.model.toolchain import builds_for
from wyoming_csm.worker.csm import gpu_absence

_PLAIN: dict[str, torch.dtype] = {
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float32": torch.float32,
}


@dataclass(frozen=True)
class Precision:
    """Of the weights, for each part; tables, activations and caches are in `compute`."""

    backbone: WeightType
    depth: WeightType
    compute: torch.dtype

    def __str__(self) -> str:
        same = self.backbone == self.depth
        return self.backbone if same else f"{self.backbone} (depth decoder {self.depth})"


def kind_of(name: WeightType) -> QuantKind | None:
    """How weights of this type are quantised."""
    return next((kind for kind in KINDS if kind == name), None)


def choose_device(wanted: str) -> torch.device:
    """As configured; `auto` is a GPU (ROCm's too) or nothing. Raises EngineUnavailable."""
    if wanted == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise gpu_absence.explain(gpu_absence.look())
    device = torch.device("cuda:0" if wanted in ("auto", "cuda") else wanted)
    if device.index >= torch.cuda.device_count():
        raise EngineUnavailable(
            f"there is no {wanted}: {torch.cuda.device_count()} GPUs are here",
            "correct csm.device",
        )
    if not torch.version.hip:
        gpu_absence.check_code(
            torch.cuda.get_device_capability(device),
            torch.cuda.get_arch_list(),
            torch.cuda.get_device_name(device),
        )
    return device


def choose_precision(config: CsmConfig, device: torch.device) -> Precision:
    """As configured; `auto` is what the device is quick and exact enough in.

    Quantised weights are computed with in the other part's type where that is a plain one, else
    in 16 bits. Raises EngineUnavailable: two plain types that differ do not go together.
    """
    backbone: WeightType = _auto(device) if config.dtype == "auto" else config.dtype
    depth = config.depth_dtype or backbone
    plain = [name for name in (backbone, depth) if name in _PLAIN]
    if len(set(plain)) > 1:
        raise EngineUnavailable(
            f"csm.dtype {backbone} and csm.depth_dtype {depth} do not go together",
            "make one of them int8, fp8 or int4, or leave csm.depth_dtype out",
        )
    return Precision(backbone, depth, _PLAIN[plain[0] if plain else _half(device)])


def _auto(device: torch.device) -> WeightType:
    return "float32" if device.type == "cpu" else _half(device)


def _half(device: torch.device) -> WeightType:
    """Before Ampere (8.0) bfloat16 is emulated; that PyTorch calls supported too."""
    if device.type == "cpu" or torch.version.hip:
        return "bfloat16"
    major, _ = torch.cuda.get_device_capability(device)
    return "bfloat16" if major >= 8 else "float16"


def chooses_compile(config: CsmConfig, device: torch.device) -> bool:
    """Whether parts are compiled: as configured, else on a GPU for which kernels can be built.

    A CPU has its time at matrix products, which no compiler makes quicker.
    """
    if config.compile is not None:
        return config.compile
    return device.type == "cuda" and builds_for(device)
