"""Where CSM computes and in what: a device, a type for each part's weights, a compiler or none."""

from dataclasses import dataclass
from pathlib import Path

import torch

from wyoming_csm.config import CsmConfig, WeightType
from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.model.quantized import KINDS, Kind
from wyoming_csm.model.toolchain import builds_for

_GPU_DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # NVIDIA, AMD, Windows' WSL
_PLAIN: dict[str, torch.dtype] = {
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float32": torch.float32,
}


@dataclass(frozen=True)
class Types:
    """Of the weights, for each part; tables, activations and caches are in `compute`."""

    backbone: WeightType
    depth: WeightType
    compute: torch.dtype

    def __str__(self) -> str:
        same = self.backbone == self.depth
        return self.backbone if same else f"{self.backbone} (depth decoder {self.depth})"


def kind_of(name: WeightType) -> Kind | None:
    """How weights of this type are quantised."""
    return next((kind for kind in KINDS if kind == name), None)


def choose_device(wanted: str) -> torch.device:
    """As configured; `auto` is a GPU (ROCm's too) or nothing. Raises EngineUnavailable."""
    if wanted == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise _why_no_gpu()
    device = torch.device("cuda:0" if wanted in ("auto", "cuda") else wanted)
    if device.index >= torch.cuda.device_count():
        raise EngineUnavailable(
            f"there is no {wanted}: {torch.cuda.device_count()} GPUs are here",
            "correct csm.device",
        )
    return device


def _why_no_gpu() -> EngineUnavailable:
    if torch.version.cuda or torch.version.hip:
        return EngineUnavailable(
            "PyTorch finds no GPU",
            "check that `nvidia-smi` works here (in Docker: give the container the GPU)",
        )
    if any(Path(device).exists() for device in _GPU_DEVICES):
        return EngineUnavailable(
            "a GPU is here, but the installed PyTorch is a build without CUDA",
            "remove it (.venv/bin/pip uninstall torch) and start ./run.sh again",
        )
    return EngineUnavailable(
        "no GPU is here",
        "another engine speaks; `csm: {device: cpu}` makes CSM speak without one, far too slowly",
    )


def choose_types(config: CsmConfig, device: torch.device) -> Types:
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
    return Types(backbone, depth, _PLAIN[plain[0] if plain else _half(device)])


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
