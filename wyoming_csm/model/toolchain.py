"""Whether Triton can build kernels here: it needs a C compiler, Python's headers and a card."""

import os
import shutil
import sysconfig
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch

OLDEST = (7, 0)  # of NVIDIA's compute capabilities: Triton builds for none before Volta's
_WITH_DOTS = (8, 0)  # before Ampere's its products leave the tensor cores out, and spill
CURE = "apt install gcc python3-dev"


@cache
def has_triton() -> bool:
    """Asked once: it does not change while a process runs."""
    compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")
    # Debian's scheme names a folder of its own, where headers never are.
    scheme = "posix_prefix" if os.name == "posix" else sysconfig.get_default_scheme()
    header = Path(sysconfig.get_paths(scheme=scheme)["include"], "Python.h")
    return bool(compiler) and header.is_file() and find_spec("triton") is not None


def builds_for(device: torch.device) -> bool:
    """Return whether Triton can build kernels here for this GPU."""
    return has_triton() and is_at_least(OLDEST, device)


def has_dots(device: torch.device) -> bool:
    """Return whether Triton's matrix products use this GPU's tensor cores."""
    return is_at_least(_WITH_DOTS, device)


def is_at_least(capability: tuple[int, int], device: torch.device) -> bool:
    """AMD counts otherwise; ROCm's torch serves none that is too old."""
    return torch.version.hip is not None or torch.cuda.get_device_capability(device) >= capability


def said(error: BaseException) -> str:
    """What a tool's error says in one line: those of compilers go on for pages."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
