"""Builds the stand-in for CUDA, and the surroundings in which a process takes it for a card."""

import os
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from benchmarks.blueprint.cards import Card

_SOURCE = Path(__file__).with_name("stub.c")
_DRIVER = re.compile(r"\b(cu[A-Z]\w*)\s*\(")


def build(card: Card, folder: Path) -> Path:
    """Build `libcuda.so.1` in the folder. Raises SystemExit where that is not possible."""
    compiler = shutil.which(os.environ.get("CC") or "gcc")
    if compiler is None or shutil.which("nm") is None:
        raise SystemExit("No C compiler is here for the stand-in for a GPU: apt install gcc")
    headers = [f"-I{path}" for path in cuda_headers()]
    names = folder / "driver.c"
    names.write_text("".join(f"int {name}(void) {{ return 0; }}\n" for name in _names(headers)))
    library = folder / "libcuda.so.1"  # the name that PyTorch and Triton look for
    words = [compiler, "-shared", "-fPIC", "-O1", "-w", "-Wl,-soname,libcuda.so.1"]
    words += ["-o", str(library), str(_SOURCE), str(names), *headers]
    words += [f"-D{name}={value}" for name, value in card.macros().items()]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"The stand-in for a GPU could not be built:\n{done.stderr}")
    return library


def environment(library: Path, cache: Path) -> dict[str, str]:
    """Return the variables of a process that is to see the card; it compiles into `cache`."""
    changed = {
        "LD_PRELOAD": str(library),
        "TRITON_LIBCUDA_PATH": str(library.parent),
        "TRITON_CACHE_DIR": str(cache / "triton"),
        # Else what was built can only be launched, not looked at.
        "TORCHINDUCTOR_USE_STATIC_CUDA_LAUNCHER": "0",
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
        "CUDA_MODULE_LOADING": "LAZY",
    }
    return {**os.environ, **changed}


def cuda_headers() -> list[Path]:
    """Return folders of headers: the runtime's that PyTorch was built with, then Triton's.

    Triton's have what those miss. Raises SystemExit if PyTorch is no CUDA build.
    """
    nvidia, triton = find_spec("nvidia"), find_spec("triton")
    if nvidia is None or triton is None or triton.origin is None:
        raise SystemExit(
            "This Python's PyTorch is no CUDA build: `script/bench blueprint` makes an environment"
            " with one, or WYOMING_CSM_BLUEPRINT_PYTHON names one"
        )
    folders = map(Path, nvidia.submodule_search_locations or ())
    found = [path.parent for folder in folders for path in folder.glob("*/include/cuda.h")]
    return [*found, Path(triton.origin).parent / "backends/nvidia/include"]


def _names(headers: list[str]) -> list[str]:
    """Name the driver's functions that PyTorch, Triton and CUDA's header ask for."""
    header = subprocess.run(
        [os.environ.get("CC") or "gcc", "-E", "-x", "c", "-", *headers],
        input="#include <cuda.h>",
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    torch = find_spec("torch")
    assert torch is not None
    assert torch.origin is not None
    library = Path(torch.origin).parent / "lib/libcaffe2_nvrtc.so"
    wanted = subprocess.run(
        ["nm", "-D", "--undefined-only", str(library)], check=True, capture_output=True, text=True
    ).stdout
    return sorted({*_DRIVER.findall(header), *re.findall(r"\bU (cu[A-Z]\w*)$", wanted, re.M)})
