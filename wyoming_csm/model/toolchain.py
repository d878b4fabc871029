"""Whether Triton can build kernels here: it needs a C compiler and Python's headers."""

import os
import shutil
import sysconfig
from functools import cache
from importlib.util import find_spec
from pathlib import Path

CURE = "apt install gcc python3-dev"


@cache
def has_triton() -> bool:
    """Asked once: it does not change while a process runs."""
    compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")
    # Debian's scheme names a folder of its own, where headers never are.
    scheme = "posix_prefix" if os.name == "posix" else sysconfig.get_default_scheme()
    header = Path(sysconfig.get_paths(scheme=scheme)["include"], "Python.h")
    return bool(compiler) and header.is_file() and find_spec("triton") is not None
