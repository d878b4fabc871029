"""What holds for a whole run: quick tests first, weekly ones not, and no process is left behind."""

import gc
import math
import os
from collections.abc import Iterator

import pytest

from tests.leftovers import nothing_left

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before anything imports onnxruntime, which would report
# Tiny models are quicker on one thread of torch's, also in child processes, beside other tests.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["PATH"] += ":/usr/sbin"  # Debian has HAProxy there, where users do not look


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """Fails after the last test, and names the one that left something."""
    yield from nothing_left()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Slow tests come last, the longest of them first: no worker ends long after the others. Those
    that are for once a week run where `-m` names them."""
    if "weekly" not in config.option.markexpr:
        left_out = [item for item in items if item.get_closest_marker("weekly")]
        items[:] = [item for item in items if not item.get_closest_marker("weekly")]
        config.hook.pytest_deselected(items=left_out)
    items.sort(key=_slowness)


def pytest_collection_finish() -> None:
    """Spare the garbage collector what was imported: looking through it takes 0.2 s a time."""
    gc.collect()
    gc.freeze()


def _slowness(item: pytest.Item) -> float:
    """Sort quick tests first, then by descending seconds."""
    slow = item.get_closest_marker("slow")
    if slow is None:
        return -math.inf
    return -float(slow.args[0] if slow.args else 2)
