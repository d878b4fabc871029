"""How long weights take to load: from a checkpoint in float32, and from the copy in the cache.

    script/bench loading [folder of a checkpoint | full] [--type bfloat16]

Each from files that the system has forgotten (cold) and from those it has in memory (warm), in a
process of its own, to the CPU: what a GPU adds is the way over its bus. `full` makes a checkpoint
of the real size with random weights: 13 GB of disk in all.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import torch

from benchmarks.fixtures.random_csm import make_full_size_csm
from wyoming_csm.model.checkpoint.load import Checkpoint

_CPU = torch.device("cpu")


def load(folder: Path, cached: Path | None, name: str) -> float:
    """Load weights, from the cache in a folder if they are there; return the seconds it takes."""
    dtype: torch.dtype = getattr(torch, name)
    start = time.perf_counter()
    checkpoint = Checkpoint(folder)
    cache = checkpoint.cache(cached, dtype, None, None) if cached else None
    checkpoint.load(dtype, _CPU, cache=cache)
    return time.perf_counter() - start


def forget(paths: Iterable[Path]) -> None:
    """Let the system drop what it holds of these files."""
    for path in paths:
        with path.open("rb") as file:
            os.fdatasync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measure(folder: Path, cached: Path, name: str) -> dict[str, float]:
    """Seconds by what is read and how."""
    found: dict[str, float] = {}
    sources: list[tuple[str, Path, str]] = [
        ("checkpoint", folder, ""),
        ("copy", cached, str(cached)),
    ]
    for title, files, cache in sources:
        for state in ("cold", "warm"):
            if state == "cold":
                forget(files.glob("*.safetensors"))
            command = [sys.executable, "-m", "benchmarks.loading", str(folder), "--type", name]
            out = subprocess.run(
                [*command, "--once", cache], check=True, capture_output=True, text=True
            )
            found[f"{title}, {state}"] = round(float(out.stdout), 2)
    return found


def gigabytes(folder: Path) -> float:
    """Return the size of the weights in a folder."""
    return round(sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 1e9, 2)


def main() -> None:
    """One line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("checkpoint", nargs="?", default="full")
    parser.add_argument("--type", default="bfloat16")
    parser.add_argument("--once", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.once is not None:
        cached = Path(wanted.once) if wanted.once else None
        print(load(Path(wanted.checkpoint), cached, wanted.type))
        return
    with tempfile.TemporaryDirectory() as here:
        folder, cached = Path(here, "checkpoint"), Path(here, "cache")
        if wanted.checkpoint == "full":
            make_full_size_csm(folder, torch.float32)
        else:
            folder = Path(wanted.checkpoint)
        start = time.perf_counter()
        load(folder, cached, wanted.type)
        first = round(time.perf_counter() - start, 2)
        seconds = {"load and write the copy": first} | measure(folder, cached, wanted.type)
        sizes = {"checkpoint": gigabytes(folder), "copy": gigabytes(cached)}
        print(json.dumps({"type": wanted.type, "GB": sizes, "seconds": seconds}))


if __name__ == "__main__":
    main()
