"""Clocks, medians and the machine's own numbers."""

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from itertools import pairwise
from pathlib import Path

import torch

FRAME_MS = 80.0


def synchronize(device: torch.device) -> None:
    """Wait for everything that was launched."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def frame_seconds(ends: Sequence[float]) -> list[float]:
    """Return what each frame took, from their ends, without the first and what warms up."""
    return [after - before for before, after in pairwise(ends)][1:]


def median_ms(seconds: Sequence[float]) -> float:
    """Return the median in milliseconds."""
    return statistics.median(seconds) * 1000


def percentile_ms(seconds: Sequence[float], percent: int) -> float:
    """Return a percentile in milliseconds; the largest of few numbers is their p99."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] * 1000


def interleaved(
    rounds: int, contestants: Mapping[str, Callable[[], float]]
) -> dict[str, list[float]]:
    """What each returns in each round, one after another in every round: they share its weather."""
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            found[name].append(run())
    return found


def ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """The median of the rounds' ratios."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def seconds_of(run: Callable[[], object]) -> float:
    """What one call takes; it must wait for its own work."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def copy_bandwidth(device: torch.device) -> float:
    """Bytes a second, read and written, of a large copy: what the memory really gives."""
    size = 2**30 if device.type == "cuda" else 2**27  # far beyond any cache
    source = torch.ones(size // 4, device=device)
    target = torch.empty_like(source)
    seconds = []
    for _ in range(9):
        synchronize(device)
        began = time.perf_counter()
        target.copy_(source)
        synchronize(device)
        seconds.append(time.perf_counter() - began)
    return 2 * size / statistics.median(seconds[2:])


def memory_taken() -> float:
    """GB of the first GPU's memory that everybody takes, by its driver."""
    ask = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "-i", "0"]
    said = subprocess.run(ask, check=True, capture_output=True, text=True).stdout
    return float(said) * 2**20 / 1e9


def describe(device: torch.device) -> dict[str, object]:
    """What the numbers were measured on."""
    versions = {name: metadata.version(name) for name in ("torch", "transformers")}
    versions["python"] = platform.python_version()
    if device.type == "cuda":
        return {"device": torch.cuda.get_device_name(device), **versions}
    name = f"{_processor()}, {os.cpu_count()} cores"  # parts of a record differ in threads
    return {"device": name, "threads": torch.get_num_threads(), **versions}


def _processor() -> str:
    """Name the processor as the kernel does; nothing else in Python does on Linux."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
