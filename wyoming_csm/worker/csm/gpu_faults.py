"""Why PyTorch finds no GPU, or has no code for it, and what helps. Needs no PyTorch."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.gpu_signs import no_gpu

_TOOLKIT = "https://docs.nvidia.com/datacenter/cloud-native/container-toolkit"
_AGAIN = "start ./run.sh again; in Docker build with TORCH={}"
_UPDATE = "update the driver to 580 or newer"


@dataclass(frozen=True)
class Surroundings:
    """What a machine shows of a GPU."""

    cuda: str | None = None  # that PyTorch was built for
    hip: str | None = None
    signs: frozenset[str] = frozenset()
    library: tuple[int, int] | None = None  # CUDA's version that the driver's library knows
    hidden: bool = False  # by CUDA_VISIBLE_DEVICES


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
