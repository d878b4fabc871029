"""Where CSM computes and in what: a device or why there is none, types of weights, a compiler."""

import ctypes
import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from wyoming_csm.config import CsmConfig, WeightType
from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.gpu_signs import no_gpu, signs
from wyoming_csm.model.quantization.linear import KINDS, QuantKind
from wyoming_csm.model.toolchain import CURE, OLDEST, builds_for, has_triton

_TOOLKIT = "https://docs.nvidia.com/datacenter/cloud-native/container-toolkit"
_AGAIN = "start ./run.sh again; in Docker build with TORCH={}"
_UPDATE = "update the driver to 580 or newer"


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


@dataclass(frozen=True)
class Surroundings:
    """What a machine shows of a GPU."""

    cuda: str | None = None  # that PyTorch was built for
    hip: str | None = None
    signs: frozenset[str] = frozenset()
    library: tuple[int, int] | None = None  # CUDA's version that the driver's library knows
    hidden: bool = False  # by CUDA_VISIBLE_DEVICES


def look_for_gpu() -> Surroundings:
    """Look at this machine as it is now."""
    return Surroundings(
        cuda=torch.version.cuda,
        hip=torch.version.hip,
        signs=signs(),
        library=driver_cuda(),
        hidden=os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"),
    )


def explain_absence(here: Surroundings) -> EngineUnavailable:
    """Say why PyTorch finds no GPU; each case has its own cure."""
    devices = here.signs & {"nvidiactl", "kfd", "dxg"}
    nvidia = here.signs & {"nvidiactl", "card", "driver"} or here.library
    if here.hip:
        return EngineUnavailable("PyTorch finds no AMD GPU", "check that `rocminfo` works here")
    if "kfd" in devices and not nvidia:
        return EngineUnavailable(
            "an AMD GPU is here, but the installed PyTorch is no build for it",
            "set WYOMING_CSM_TORCH_INDEX to PyTorch's index of ROCm wheels, start ./run.sh again",
        )
    if "container" in here.signs and not devices and (nvidia or here.cuda):
        driver = "" if "driver" in here.signs else "the NVIDIA driver and "
        return EngineUnavailable(
            "the container was given no GPU",
            "start it with docker/compose.yaml or --gpus all; the host needs"
            f" {driver}the NVIDIA Container Toolkit ({_TOOLKIT})",
        )
    if not nvidia and not (here.cuda and "dxg" in devices):
        return no_gpu()
    if not here.cuda:
        return EngineUnavailable(
            "a GPU is here, but the installed PyTorch is a build without CUDA", _other_build(here)
        )
    if here.hidden:
        return EngineUnavailable("CUDA_VISIBLE_DEVICES hides the GPU", "unset it")
    if "dxg" in devices and here.library is None:
        return EngineUnavailable(
            "Windows does not lend its GPU to WSL",
            "install the newest NVIDIA driver in Windows, none inside WSL",
        )
    if not devices:
        return EngineUnavailable(
            "an NVIDIA card is here, but its driver is not loaded",
            "install the NVIDIA driver, 580 or newer",
        )
    if here.library is None:
        cure = "install all of the NVIDIA driver (Debian: nvidia-driver)"
        if "container" in here.signs:
            cure = f"let the NVIDIA Container Toolkit give the container the GPU ({_TOOLKIT})"
        return EngineUnavailable("the NVIDIA driver's CUDA library (libcuda.so.1) is missing", cure)
    if here.library[0] < int(here.cuda.partition(".")[0]):
        return EngineUnavailable(
            f"the NVIDIA driver is too old: it knows CUDA {here.library[0]}.{here.library[1]},"
            f" PyTorch needs {here.cuda}",
            f"{_UPDATE}; or {_other_build(here)}",
        )
    return EngineUnavailable(
        "PyTorch finds no GPU, though the driver is here", "check that `nvidia-smi` works here"
    )


def _other_build(here: Surroundings) -> str:
    if here.library is None or here.library[0] >= 13:
        return _AGAIN.format("cu130")
    if here.library[0] == 12:
        return _AGAIN.format("cu126 (RTX 50: cu129)")
    return f"{_UPDATE}, then {_AGAIN.format('cu130')}"


def check_code(card: tuple[int, int], built_for: Sequence[str], name: str) -> None:
    """Raise EngineUnavailable where PyTorch has no code for a card of this capability.

    `built_for` is `torch.cuda.get_arch_list()`. Code for 8.0 runs on 8.6; `compute_90` is compiled
    for newer cards by the driver.
    """
    for architecture in built_for:
        kind, _, number = architecture.rstrip("af").partition("_")
        if not number.isdigit():
            continue
        made = (int(number[:-1]), int(number[-1]))
        if made <= card and (kind == "compute" or (kind == "sm" and made[0] == card[0])):
            return
    if card < (5, 0):
        cure = "another engine speaks: no PyTorch of today serves a card this old"
    elif card < (7, 5):
        cure = _AGAIN.format("cu126")
    else:
        cure = f"{_UPDATE}, then {_AGAIN.format('cu130')}"
    raise EngineUnavailable(
        f"the installed PyTorch has no code for {name} (capability {card[0]}.{card[1]})", cure
    )


def driver_cuda() -> tuple[int, int] | None:
    """Return the newest CUDA that the NVIDIA driver's library serves; None: there is no library."""
    version = ctypes.c_int()
    try:
        failed = ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(version))
    except (OSError, AttributeError):
        return None
    return None if failed else (version.value // 1000, version.value % 1000 // 10)


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
