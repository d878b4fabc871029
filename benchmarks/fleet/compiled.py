"""The simulator as machine code where numba is installed, and as it is written elsewhere."""

import hashlib
import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any

from benchmarks.fleet import balancer, deadlines, loads, replica, state
from benchmarks.server import ROOT

Run = Callable[..., float]
_MODULES = (loads, deadlines, replica, balancer)  # each calls those before it


def is_possible() -> bool:
    """Tell whether numba is installed: the simulation is some hundred times as quick then."""
    return importlib.util.find_spec("numba") is not None


@cache
def compiled_run() -> Run:
    """Return `balancer.run`, compiled with all it calls, which takes half a minute of a core when
    these files are new; what was compiled is stored under .cache."""
    numba: Any = importlib.import_module("numba")
    sources = b"".join(Path(str(one.__file__)).read_bytes() for one in (state, *_MODULES))
    version = hashlib.sha256(sources).hexdigest()[:12]
    numba.config.CACHE_DIR = str(ROOT / ".cache" / f"fleet-{version}")
    scope: dict[str, Any] = {}
    for module in _MODULES:
        scope |= {name: value for name, value in vars(module).items() if name not in scope}
    for module in _MODULES:
        for name, function in vars(module).items():
            if isinstance(function, FunctionType) and function.__module__ == module.__name__:
                copy = FunctionType(function.__code__, scope, name, function.__defaults__)
                # No arrays are made in them: counting who refers to each took nine tenths.
                scope[name] = numba.njit(copy, _nrt=False, error_model="numpy", cache=name == "run")
    run: Run = scope["run"]
    return run
