"""Memory for one model at a time: how much is free, and where transformers' model has room."""

import re
from contextlib import ExitStack
from pathlib import Path

import torch

from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.model.checkpoint.files import opened
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.worker.csm.device import Precision, kind_of
from wyoming_csm.worker.csm.memory import free_bytes, gigabytes

_WORK = 1_500_000_000  # bytes: the encoder's activations over a clip, logits, libraries


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
    total = 0
    with ExitStack() as stack:
        files = {p: stack.enter_context(opened(p)) for p in set(checkpoint.files.values())}
        for name, path in checkpoint.files.items():
            found = files[path].get_slice(name)
            total += torch.Size(found.get_shape()).numel() * (found.get_dtype() != but)
    return 4 * total


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
    if checkpoint.has_adapter or kind_of(precision.backbone) or kind_of(precision.depth):
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
