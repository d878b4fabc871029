"""The command: whether there is room, one side after the other, a line for each comparison."""

import gc
import json
import math
import platform
import re
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import torch
from msgspec.structs import replace

from wyoming_csm import __version__
from wyoming_csm.config import Config, CsmConfig
from wyoming_csm.errors import EngineUnavailable, WyomingCsmError
from wyoming_csm.model.checkpoint.files import stored
from wyoming_csm.model.checkpoint.load import CODEC, Checkpoint
from wyoming_csm.model.mimi.weights import flat_name
from wyoming_csm.verify import version_of
from wyoming_csm.verify.ours import TEXT, Case, Parts, Setting, make_case, speak
from wyoming_csm.verify.reference import ask
from wyoming_csm.verify.stages import Stage, compare
from wyoming_csm.worker.csm.checkpoints import find_checkpoint
from wyoming_csm.worker.csm.device import (
    Precision,
    choose_device,
    choose_precision,
    chooses_compile,
    kind_of,
)
from wyoming_csm.worker.csm.memory import free_bytes, gigabytes, ran_out

_WORK = 1_500_000_000  # bytes: the encoder's activations over a clip, logits, libraries
FRAMES_ON_CPU, FRAMES_ON_GPU = 8, 100
EQUAL, DIFFERENT, BROKEN = 0, 1, 3  # the command's 2 is for what the user can correct
_OURS = Parts()


def verify(config: Config, text: str | None, frames: int | None, parts: Parts = _OURS) -> int:
    """Compare and return the exit code. Raises WyomingCsmError for what the user can correct."""
    began = time.monotonic()
    csm = config.csm
    device = _device(csm)
    precision = choose_precision(csm, device)
    checkpoint = Checkpoint(*find_checkpoint(csm, config.models_dir, _progress))
    greedy = replace(csm, slots=1, temperature=0.0, depth_temperature=0.0)
    setting = Setting(greedy, checkpoint, device, Path(config.data_dir), _progress)
    count = frames or (FRAMES_ON_CPU if device.type == "cpu" else FRAMES_ON_GPU)
    case = make_case(config, text or TEXT, count)
    found = _describe(csm, checkpoint, device, precision)
    print(", ".join(f"{name} {value}" for name, value in found.items() if value is not None))
    print(f"{count} frames after {case.voice}; {what_is_free(device)}", flush=True)
    try:
        stages = _compare(case, setting, precision, parts)
    except (torch.OutOfMemoryError, EngineUnavailable) as error:
        short = error if isinstance(error, EngineUnavailable) else ran_out(device)
        if device.type == "cpu":
            raise short from error
        raise EngineUnavailable(
            f"{short.reason} ({what_is_free(device)})",
            f"end the server while this runs, if it speaks here; {short.cure}",
        ) from error
    except WyomingCsmError:
        raise
    except Exception:  # of the libraries, and no difference: it must not look like one
        traceback.print_exc()
        print("wyoming-csm: this could not be compared: please report all of it", file=sys.stderr)
        return BROKEN
    return _conclude(stages, found, time.monotonic() - began)


def _compare(case: Case, setting: Setting, precision: Precision, parts: Parts) -> list[Stage]:
    """Ask one side after the other: one model at a time is in memory."""
    device, checkpoint = setting.device, setting.checkpoint
    if device.type == "cpu":
        share = precision.compute.itemsize / 4
        require_host_memory(int(share * float32_bytes(checkpoint)), "this engine")
    spoken = speak(case, setting, parts)
    gc.collect()  # graphs and pipelines know each other
    if device.type == "cuda":
        torch.cuda.empty_cache()
    theirs = device_for_reference(checkpoint, device, precision)
    if theirs != device:
        _progress(
            f"{what_is_free(device)}: transformers' model goes to the CPU, which takes longer"
        )
    return compare(spoken, ask(case, spoken, setting, precision, theirs), precision)


def _conclude(stages: list[Stage], found: dict[str, Any], seconds: float) -> int:
    for stage in stages:
        print(stage)
    different = [stage.name for stage in stages if not stage.equal]
    if different:
        print(f"DIFFERENT from transformers, first in: {different[0]}. Please report all of this.")
    else:
        print(f"Equal to transformers, in {seconds:.0f} s.")
    told = {stage.name: {"equal": stage.equal, **stage.numbers} for stage in stages}
    line = {"equal": not different, "different": different, **found, "seconds": seconds, **told}
    print(json.dumps({"verify": _short(line)}), flush=True)
    return DIFFERENT if different else EQUAL


def _device(csm: CsmConfig) -> torch.device:
    try:
        device = choose_device(csm.device if isinstance(csm.device, str) else csm.device[0])
    except EngineUnavailable as error:
        cure = f"{error.cure}; to compare on the CPU, in minutes: --device cpu"
        raise EngineUnavailable(error.reason, cure) from error
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device


def free_host_bytes() -> int | None:
    """Return how much of the machine's memory is free; None where it does not say."""
    try:
        found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def what_is_free(device: torch.device) -> str:
    """Say how much memory is free, before or after something was loaded."""
    host = free_host_bytes()
    words = [f"{gigabytes(host)} of memory free"] if host is not None else []
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        words.append(f"{gigabytes(free)} of the GPU's {gigabytes(total)} free")
    return ", ".join(words)


def float32_bytes(checkpoint: Checkpoint, but: str = "") -> int:
    """Estimate what transformers' model takes, and this engine's in float32, to a few percent.

    `but`: a type as safetensors calls it, whose tensors do not count.
    """
    names = checkpoint.files
    return 4 * sum(n for dtype, n in stored(names, names) if dtype != but)


def device_for_reference(
    checkpoint: Checkpoint, device: torch.device, precision: Precision
) -> torch.device:
    """Return the device, or the CPU if that has no room for the model in float32.

    Raises EngineUnavailable if that has none either.
    """
    whole, free = float32_bytes(checkpoint), free_bytes(device)
    if free is not None and free >= whole + _WORK:
        return device
    needed = float32_bytes(checkpoint, but="F32")  # those stay in the files, which are mapped
    if checkpoint.adapter or kind_of(precision.backbone) or kind_of(precision.depth):
        needed = whole
    elif device.type == "cpu" and precision.compute != torch.float32:
        needed = max(needed, whole * precision.compute.itemsize // 4)
    require_host_memory(needed + _WORK, "transformers' model")
    return torch.device("cpu")


def require_host_memory(needed: int, what: str) -> None:
    """Raise EngineUnavailable if less of the machine's memory is free."""
    free = free_host_bytes()
    if free is not None and free < needed:
        raise EngineUnavailable(
            f"memory is short: {what} needs {gigabytes(needed)}, {gigabytes(free)} are free",
            "end what takes memory here (this server too), or compare on a machine with more",
        )


def _describe(
    csm: CsmConfig, checkpoint: Checkpoint, device: torch.device, precision: Precision
) -> dict[str, Any]:
    """Describe what is compared, by names that tell nothing of the user's folders."""
    packages = ("torch", "transformers", "tokenizers", "safetensors", "huggingface-hub")
    found: dict[str, Any] = {"wyoming-csm": __version__, "python": platform.python_version()}
    found |= {name: version_of(name) for name in packages}
    found["device"] = str(device)
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        found |= {
            "gpu": torch.cuda.get_device_name(device),
            "capability": f"{major}.{minor}",
            "cuda": torch.version.cuda or torch.version.hip,
        }
    codec = [name.removeprefix(CODEC) for name in checkpoint.names(CODEC)]
    is_local = Path(csm.checkpoint).expanduser().is_dir()
    return {
        **found,
        "machine": platform.machine(),
        "types": str(precision),
        "compiled": chooses_compile(csm, device),
        "checkpoint": checkpoint.folder.name if is_local else csm.checkpoint,
        "revision": None if is_local else checkpoint.folder.name,
        "adapter": checkpoint.adapter is not None,
        "codec_names": "flat" if all(flat_name(n) == n for n in codec) else "since 5.21",
    }


def _short(value: Any) -> Any:
    """Round numbers to three digits; those that JSON cannot have become text."""
    if isinstance(value, dict):
        return {key: _short(inner) for key, inner in value.items()}
    if isinstance(value, float):
        return float(f"{value:.3g}") if math.isfinite(value) else str(value)
    return value


def _progress(words: str) -> None:
    print(f"  {words}", file=sys.stderr, flush=True)
