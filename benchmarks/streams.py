"""How many voices one GPU holds in real time, while five new sentences a second join.

Every slot speaks. In each frame as many sentences begin as five a second ask for, each behind the
cached prompt of a 20-second voice, in the slot of the one that has spoken longest. N streams are
held if a frame, with the beginnings that fall into it, takes at most 80 ms in 99 of 100. Prints a
table, then one line of JSON.
"""

import argparse
import json
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Any

import torch

from benchmarks import models, timing
from benchmarks.engine_under_test import EngineUnderTest, Setting
from benchmarks.record import lines_of
from wyoming_csm.config import CsmConfig
from wyoming_csm.model.pipeline import FrameHandle
from wyoming_csm.model.sampling import Sampling

_JOINS_PER_FRAME = 5 * timing.FRAME_MS / 1000
_VOICE, _TEXT = 300, 30  # positions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=models.KINDS, default="full")
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--cache", type=Path, help="folder for what is compiled")
    parser.add_argument("--streams", default="32,64,128,192,256")
    parser.add_argument("--frames", type=int, default=150)
    options = parser.parse_args()
    counts = [int(n) for n in options.streams.split(",")]
    device = torch.device(options.device)
    config = CsmConfig(dtype=options.dtype)
    with tempfile.TemporaryDirectory() as made:
        cache = options.cache or Path(made) / "compiled"
        setting = Setting(config, device, max(counts), 1024, Sampling(), cache)
        folder = options.checkpoint or models.make(options.model, Path(made) / "csm")
        engine = EngineUnderTest(folder, setting, lambda detail: print(f"  {detail}", flush=True))
    found: dict[str, Any] = {
        **timing.describe(device),
        "on_gpu": device.type == "cuda",
        "dtype": str(engine.types),
        "capture_s": engine.capture_seconds,
        "sentences_that_join_a_second": 5,
    }
    held = 0
    for count in counts:
        frames = crowd(engine, count, options.frames)
        p99 = timing.percentile_ms(frames, 99)
        held = count if p99 <= timing.FRAME_MS else held
        found[f"{count}_streams"] = {"frame_ms_p50": timing.median_ms(frames), "frame_ms_p99": p99}
    found["streams_held"] = held
    if device.type == "cuda":
        found["torch_gb_peak"] = torch.cuda.max_memory_allocated(device) / 1e9
    print("\n".join(lines_of(found)))
    print(json.dumps(found))


def crowd(engine: EngineUnderTest, count: int, frames: int) -> list[float]:
    """Return seconds between the arrivals of frames, after ten to warm up."""
    voice = engine.cache_prompt(models.prompt(engine.sizes, _VOICE))
    text = models.prompt(engine.sizes, _TEXT, seed=1)
    for slot in range(count):  # as if they had joined one after another, so long before
        spoken = int((count - slot) / _JOINS_PER_FRAME)
        engine.begin(slot, models.prompt(engine.sizes, _TEXT + spoken, seed=1), voice)
    oldest, due = deque(range(count)), 0.0
    launched: deque[FrameHandle] = deque()
    ends = []
    for _ in range(frames + 10):
        due += _JOINS_PER_FRAME
        while due >= 1:
            due -= 1
            slot = oldest.popleft()
            engine.pipeline.release(slot)
            engine.begin(slot, text, voice)
            oldest.append(slot)
        launched.append(engine.pipeline.launch(range(count)))
        if len(launched) > engine.pipeline.ahead:
            launched.popleft()()
            ends.append(time.perf_counter())
    while launched:
        launched.popleft()()
    for slot in range(count):
        engine.pipeline.release(slot)
    return timing.frame_seconds(ends)[9:]


if __name__ == "__main__":
    main()
