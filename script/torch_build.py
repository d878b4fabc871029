"""Which build of torch this machine takes: by its driver and its cards, before any download."""

import os
import platform
import re
import runpy
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

VERSION = "2.13.0"

Version = tuple[int, ...]

# From which driver on a build runs, on which cards (compute capability, the newest not included).
# CUDA 12 runs on every driver for CUDA 12; the cards for which CUDA 12.6 has no code need 570.
_CUDA_13, _CUDA_12, _BLACKWELL = (580,), (525, 60), (570,)


@dataclass(frozen=True)
class Gpu:
    """A machine's NVIDIA driver and the compute capabilities of its cards, as far as known."""

    driver: Version | None = None
    cards: tuple[Version, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choice:
    """A build, as PyTorch names them; `cpu` with the reason why the GPU is not used, if one is."""

    build: str
    reason: str = ""


def choose(gpu: Gpu, machine: str, python: Version = sys.version_info[:2]) -> Choice:
    """The build for the most capable card. `machine` is x86_64 or aarch64."""
    driver, card = gpu.driver, max(gpu.cards, default=None)
    named = f"{', '.join(gpu.names) or 'the GPU'}, driver {_written(driver)}"
    update = f"{named}: the driver is too old. Update it to 580 or newer, then start again"
    if driver is None:
        return Choice("cpu", f"{named}: the driver does not answer: does nvidia-smi work here?")
    if card is not None and card < (5, 0):
        return Choice(
            "cpu", f"{named}: no torch serves a card this old (capability {_written(card)})"
        )
    if driver >= _CUDA_13 and (card is None or card >= (7, 5)):
        return Choice("cu130")
    if driver < _CUDA_12:
        return Choice("cpu", update)
    if card is not None and card >= (10, 0):
        if driver >= _BLACKWELL and python < (3, 14):  # for 3.14 its hashes are not known
            return Choice("cu129")
        return Choice("cpu", update)
    if machine == "aarch64" and card not in (None, (8, 0), (9, 0)):
        return Choice(
            "cpu", update if card >= (7, 5) else f"{named}: no torch serves this card here"
        )
    return Choice("cu126")


def look_at_gpu() -> Gpu | None:
    """What nvidia-smi says, or else the kernel; None where no NVIDIA GPU is."""
    found = shutil.which("nvidia-smi") or shutil.which("nvidia-smi", path="/usr/lib/wsl/lib")
    if found:
        query = ["--query-gpu=driver_version,compute_cap,name", "--format=csv,noheader"]
        try:
            asked = subprocess.run([found, *query], capture_output=True, text=True, timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            asked = subprocess.CompletedProcess(query, 1, "", "")
        if asked.returncode == 0 and (gpu := parse(asked.stdout)):
            return gpu
    kernel = Path("/proc/driver/nvidia/version")
    if kernel.exists():
        version = re.search(r"\s(\d+(?:\.\d+)+)\s", kernel.read_text())
        return Gpu(_version(version[1]) if version else None)
    return Gpu() if found and Path("/dev/nvidiactl").exists() else None


def parse(answer: str) -> Gpu | None:
    """A line a card, as nvidia-smi writes them: `535.183.01, 8.9, NVIDIA GeForce RTX 4090`."""
    lines = [[part.strip() for part in line.split(",", 2)] for line in answer.splitlines()]
    lines = [line for line in lines if re.fullmatch(r"\d+(?:\.\d+)+", line[0])]
    if not lines:
        return None
    cards = tuple(_version(line[1]) for line in lines if re.fullmatch(r"\d+\.\d+", line[1]))
    return Gpu(_version(lines[0][0]), cards, tuple(line[2] for line in lines if len(line) > 2))


def look(index: str) -> Choice:
    """This machine's build; `index` is the one that the user named for torch, if any."""
    if gpu := look_at_gpu():
        return choose(gpu, platform.machine())
    if os.path.exists("/dev/kfd"):
        if "rocm" in index:
            return Choice("rocm")
        return Choice(
            "cpu",
            "an AMD GPU: for CSM on it, set WYOMING_CSM_TORCH_INDEX to PyTorch's index of ROCm"
            " wheels (https://pytorch.org/get-started/locally names it) and start again",
        )
    return Choice("cpu")


@dataclass(frozen=True)
class Installed:
    """The torch that is in this environment; `build` is empty without one."""

    version: str = ""
    build: str = ""


def installed() -> Installed:
    """Read from its files: importing it would take seconds.

    One whose unpacking was interrupted is none: pip writes the description last.
    """
    try:
        found = distribution("torch")
        told = runpy.run_path(str(found.locate_file("torch/version.py")))
    except (PackageNotFoundError, OSError):
        return Installed()
    cuda, hip = told.get("cuda"), told.get("hip")
    build = f"cu{cuda.replace('.', '')}" if cuda else "rocm" if hip else "cpu"
    return Installed(found.version.partition("+")[0], build)


def _version(written: str) -> Version:
    return tuple(int(part) for part in written.split("."))


def _written(version: Version | None) -> str:
    return ".".join(map(str, version)) if version else "unknown"
