"""Looks at PyTorch, the GPUs and CSM's weights in a process of its own, which may crash.

`python -m wyoming_csm.worker.csm.look SETTINGS MODELS_DIR` prints a line of JSON, a `TorchFacts`;
without words nothing is said of the weights.
"""

import importlib
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec
import torch

from wyoming_csm.config import CsmConfig
from wyoming_csm.errors import CheckpointError, EngineUnavailable
from wyoming_csm.model.toolchain import CURE, has_triton, said
from wyoming_csm.worker.csm import hub
from wyoming_csm.worker.csm.checkpoints import find_checkpoint
from wyoming_csm.worker.csm.device import look_for_gpu
from wyoming_csm.worker.csm.torch_facts import Card, TorchFacts, Weights


def main() -> None:
    """Print the line."""
    weights = None
    if len(sys.argv) > 2:
        settings = msgspec.json.decode(sys.argv[1], type=CsmConfig)
        weights = look_at_weights(settings, Path(sys.argv[2]))
    flash, fault = _flash_attn()
    facts = TorchFacts(
        str(torch.__version__),
        look_for_gpu(),
        tuple(torch.cuda.get_arch_list()),
        _cards(),
        "" if has_triton() else CURE,
        flash,
        fault,
        weights,
    )
    print(msgspec.json.encode(facts).decode())


def _cards() -> tuple[Card, ...]:
    found = []
    for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        name = torch.cuda.get_device_name(number)
        try:
            free, total = torch.cuda.mem_get_info(number)
        except RuntimeError:  # there is no room even to look
            free, total = 0, torch.cuda.get_device_properties(number).total_memory
        found.append(Card(name, torch.cuda.get_device_capability(number), total, free))
    return tuple(found)


def _flash_attn() -> tuple[str, str]:
    """Return its version, and why it cannot be imported."""
    try:
        found = version("flash-attn")
    except PackageNotFoundError:
        return "", ""
    try:
        importlib.import_module("flash_attn")
    except (ImportError, OSError, RuntimeError) as error:  # made for another torch, as a rule
        return found, said(error)
    return found, ""


def look_at_weights(config: CsmConfig, models_dir: Path) -> Weights:
    """Find the configured weights without fetching any; the hub is asked whether it would give
    those that are not here."""
    try:
        found = find_checkpoint(config, models_dir, print, hub.look)
    except hub.NotHere as error:
        return Weights("fetchable", error.reason, error.cure)
    except EngineUnavailable as error:
        return Weights("unreachable" if error.passing else "refused", error.reason, error.cure)
    except CheckpointError as error:
        return Weights("refused", str(error), "correct csm.checkpoint")
    return Weights("here", f"{config.checkpoint} in {found.folder}")


if __name__ == "__main__":
    main()
