"""The simulator as machine code where numba is installed, and as it is written elsewhere."""

import importlib.util
from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any

from benchmarks.fleet import balancer, replica

Run = Callable[..., float]


def is_possible() -> bool:
    """Tell whether numba is installed: the simulation is some hundred times as quick then."""
    return importlib.util.find_spec("numba") is not None


@cache
def compiled_run() -> Run:
    """Return `balancer.run`, compiled with all it calls; the first call takes half a minute."""
    import numba

    scope: dict[str, Any] = {**vars(replica), **vars(balancer)}
    for module in (replica, balancer):
        for name, function in vars(module).items():
            if isinstance(function, FunctionType) and function.__module__ == module.__name__:
                copy = FunctionType(function.__code__, scope, name, function.__defaults__)
                scope[name] = numba.njit(copy, _nrt=False, error_model="numpy")
    run: Run = scope["run"]
    return run
