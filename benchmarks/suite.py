"""Several measurements, each in a process of its own, and the record of what they found."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import record as records


@dataclass(frozen=True)
class Step:
    """A command that prints a line of JSON last; `seconds`: it is ended when it takes longer."""

    name: str
    words: Sequence[str]
    seconds: float = 900
    is_json: bool = True


def engine(name: str, *words: str, seconds: float = 900) -> Step:
    """One measurement of `benchmarks.engine`."""
    return Step(name, (sys.executable, "-m", "benchmarks.engine", *words), seconds)


def on_cpu() -> list[Step]:
    """What a machine without a GPU can show."""
    host = ("--model", "host-bound", "--threads", "1", "--device", "cpu", "--frames", "20")
    full = ("--model", "full", "--device", "cpu", "--frames", "6", "--positions", "512")
    batches = ("--rivals", "none", "--batches", "1,2,4,8")
    return [
        engine("tiny widths", *host),
        engine("tiny widths, compiled", *host, "--compile", "on", "--rivals", "all"),
        engine("full size, bfloat16", *full, "--dtype", "bfloat16", "--threads", "1"),
        engine("full size, float32", *full, "--dtype", "float32", *batches),
    ]


def run(
    steps: Sequence[Step], command: str, *, record: bool, seconds: float = float("inf")
) -> None:
    """Print what each says, then all in one line; what failed, or had no time left, is named.

    The record is written anew after every step: whoever is ended early has what there was.
    """
    deadline = time.monotonic() + seconds
    found: dict[str, dict[str, Any]] = {}
    folder = Path(os.environ.get("OUT") or records.FOLDER)
    written: Path | None = None
    for step in steps:
        began = time.monotonic()
        print(f"== {step.name}", flush=True)
        found[step.name] = _ended(step, min(step.seconds, deadline - began))
        if "failed" in found[step.name]:
            print(f"   {found[step.name]['failed']}")
        print(f"   {time.monotonic() - began:.0f} s\n", flush=True)
        if record and any("device" in part for part in found.values()):
            written = records.write(found, command, folder)
    if written:
        print(f"written to {written}")
    print(json.dumps({**_main(found), "parts": found}), flush=True)


def _main(parts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What was found of the full-size model in its first type, alone and against rivals."""
    full = [part for part in parts.values() if part.get("model") == "full"]
    main: dict[str, Any] = {}
    for part in full:
        if part["dtype"] == full[0]["dtype"]:
            main = {**part, **main}
    return main


def _ended(step: Step, seconds: float) -> dict[str, Any]:
    """What the step's last line holds; what it printed before is passed on."""
    if seconds < 15:
        return {"failed": "no time was left"}
    printed, status = printed_by(step.words, seconds)
    *before, last = printed.splitlines() or [""]
    print("\n".join(before), flush=True)
    if status is None:
        print(last, flush=True)
        return {"failed": f"took longer than {seconds:.0f} s"}
    if status:
        return {"failed": f"ended with {status}: {last}"}
    if not step.is_json:
        print(last, flush=True)
        return {"said": last}
    found: dict[str, Any] = json.loads(last)
    return found


def printed_by(words: Sequence[str], seconds: float) -> tuple[str, int | None]:
    """What a command printed, and its exit status; None: it was not over in time.

    Nothing that it started is left: a server would hold the GPU's memory, and its port.
    """
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)
    status: int | None = None
    try:
        printed, _ = process.communicate(timeout=seconds)
        status = process.returncode
    except subprocess.TimeoutExpired:
        _end_group(process.pid)
        printed, _ = process.communicate()
    finally:
        _end_group(process.pid)
    return printed, status


def _end_group(leader: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
