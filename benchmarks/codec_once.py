"""60 s through one codec, in a process that imports nothing else: `WHO FOLDER` → a line of JSON."""

import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

CODEBOOKS = 32
WINDOW = 125 * 1920  # as clips were encoded with transformers


def main() -> None:
    who, folder = sys.argv[1], Path(sys.argv[2])
    config = json.loads((folder / "config.json").read_text())
    samples = torch.load(folder / "samples.pt", weights_only=True)
    load, encode = (_ours, _encode_ours) if who == "ours" else (_theirs, _encode_theirs)
    began, cpu = time.perf_counter(), time.process_time()
    with safe_open(folder / "codec.safetensors", framework="pt") as file:
        codec = load(config, file)
    loaded = time.perf_counter()
    codes = encode(codec, samples)
    ended = time.perf_counter()
    assert codes.shape == (len(samples) // 1920, CODEBOOKS)
    found = {
        "load_s": loaded - began,
        "encode_s": ended - loaded,
        "whole_s": ended - began,
        "cpu_s": time.process_time() - cpu,
        "peak_mb": _peak_kb() / 1000,
    }
    print(json.dumps(found))


def _ours(config: dict[str, Any], file: Any) -> Any:
    from wyoming_csm.model.mimi.weights import load_encoder

    names = list(file.keys())
    return load_encoder(config, [(n, partial(file.get_tensor, n)) for n in names], CODEBOOKS)


def _encode_ours(codec: Any, samples: Tensor) -> Tensor:
    codes: Tensor = codec.encode(samples)
    return codes


def _theirs(config: dict[str, Any], file: Any) -> Any:
    from transformers import MimiConfig, MimiModel

    model: Any = MimiModel(MimiConfig.from_dict(config))
    model.eval()
    state = model.state_dict()
    for name in file.keys():  # noqa: SIM118
        state[name].copy_(file.get_tensor(name))
    return model


def _encode_theirs(codec: Any, samples: Tensor) -> Tensor:
    from benchmarks.fixtures.mimi_codes import encode_in_windows

    return encode_in_windows(codec, samples, CODEBOOKS, WINDOW)


def _peak_kb() -> int:
    """Return this process's peak of memory; what getrusage says begins with the parent's."""
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
