"""Why the GPU cannot be used here, and what helps: each case has its own cure."""

import ctypes
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from wyoming_csm.errors import EngineUnavailable

_NVIDIA_VENDOR = "0x10de"  # as PCI numbers them
_TOOLKIT = "https://docs.nvidia.com/datacenter/cloud-native/container-toolkit"
_AGAIN = "start ./run.sh again; in Docker build with TORCH={}"
_UPDATE = "update the driver to 580 or newer"
_NO_GPU = EngineUnavailable(
    "no GPU is here",
    "another engine speaks; `csm: {device: cpu}` makes CSM speak without one, far too slowly",
)


@dataclass(frozen=True)
class Surroundings:
    """What this machine shows of a GPU."""

    cuda: str | None = None  # that PyTorch was built for
    hip: str | None = None
    devices: frozenset[str] = frozenset()  # of nvidiactl, kfd (AMD), dxg (Windows' WSL)
    card: bool = False  # an NVIDIA card on the bus
    kernel_driver: bool = False  # loaded; a container sees the host's
    container: bool = False
    library: tuple[int, int] | None = None  # CUDA's version that the driver's library knows
    hidden: bool = False  # by CUDA_VISIBLE_DEVICES


def look() -> Surroundings:
    """As they are now."""
    return Surroundings(
        cuda=torch.version.cuda,
        hip=torch.version.hip,
        devices=frozenset(n for n in ("nvidiactl", "kfd", "dxg") if Path("/dev", n).exists()),
        card=any(
            path.read_text().strip() == _NVIDIA_VENDOR
            for path in Path("/sys/bus/pci/devices").glob("*/vendor")
        ),
        kernel_driver=Path("/proc/driver/nvidia/version").exists(),
        container=any(Path(name).exists() for name in ("/.dockerenv", "/run/.containerenv")),
        library=_library_version(),
        hidden=os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"),
    )


def explain(here: Surroundings) -> EngineUnavailable:
    """Why PyTorch finds no GPU."""
    nvidia = "nvidiactl" in here.devices or here.card or here.kernel_driver or here.library
    if here.hip:
        return EngineUnavailable("PyTorch finds no AMD GPU", "check that `rocminfo` works here")
    if "kfd" in here.devices and not nvidia:
        return EngineUnavailable(
            "an AMD GPU is here, but the installed PyTorch is no build for it",
            "set WYOMING_CSM_TORCH_INDEX to PyTorch's index of ROCm wheels, start ./run.sh again",
        )
    if here.container and not here.devices and (nvidia or here.cuda):
        return _not_given(here)
    if not nvidia and not (here.cuda and "dxg" in here.devices):
        return _NO_GPU
    if not here.cuda:
        return EngineUnavailable(
            "a GPU is here, but the installed PyTorch is a build without CUDA", _other_build(here)
        )
    if here.hidden:
        return EngineUnavailable("CUDA_VISIBLE_DEVICES hides the GPU", "unset it")
    if "dxg" in here.devices and here.library is None:
        return EngineUnavailable(
            "Windows does not lend its GPU to WSL",
            "install the newest NVIDIA driver in Windows, none inside WSL",
        )
    if not here.devices:
        return EngineUnavailable(
            "an NVIDIA card is here, but its driver is not loaded",
            "install the NVIDIA driver, 580 or newer",
        )
    if here.library is None:
        cure = "install all of the NVIDIA driver (Debian: nvidia-driver)"
        if here.container:
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


def _not_given(here: Surroundings) -> EngineUnavailable:
    driver = "" if here.kernel_driver else "the NVIDIA driver and "
    return EngineUnavailable(
        "the container was given no GPU",
        "start it with docker/compose.yaml or --gpus all; the host needs"
        f" {driver}the NVIDIA Container Toolkit ({_TOOLKIT})",
    )


def _other_build(here: Surroundings) -> str:
    """How to get the PyTorch that this driver takes."""
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
        if kind == "sm" and made[0] == card[0] and made <= card:
            return
        if kind == "compute" and made <= card:
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


def _library_version() -> tuple[int, int] | None:
    version = ctypes.c_int(0)
    try:
        if ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(version)):
            return None
    except (OSError, AttributeError):
        return None
    return version.value // 1000, version.value % 1000 // 10
