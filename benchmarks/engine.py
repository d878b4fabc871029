"""Measures the engine alone against its rivals, on one device with the same random weights.

`--model`: one measurement. Without it all that a CPU can show, each in a process of its own; for a
GPU see `gpu`. A table for people, then one line of JSON.
"""

import argparse
import json
import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks import models, rivals, suite, timing
from benchmarks.engine_under_test import EngineUnderTest, Setting
from benchmarks.record import lines_of
from benchmarks.roofline import bytes_per_frame
from wyoming_csm.config import CsmConfig
from wyoming_csm.model.sampling import Sampling

_SAMPLING = Sampling()
_VOICE = {
    "cuda": 300,
    "cpu": 40,
}  # positions: 20 s with its words; on a CPU their prefill would take long
_TEXT = 30  # positions of the sentence
_COMPILE = {"auto": None, "on": True, "off": False}
_LONG_BEFORE = 3  # frames until what warms up has warmed up


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=models.KINDS)
    parser.add_argument("--checkpoint", type=Path, help="a folder instead of a made one")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", default="auto", help="as csm.dtype")
    parser.add_argument("--depth-dtype", help="as csm.depth_dtype")
    parser.add_argument("--compile", choices=_COMPILE, default="auto", help="as csm.compile")
    parser.add_argument("--cache", type=Path, help="folder for what is compiled")
    parser.add_argument("--rivals", choices=("none", "eager", "all"), default="eager")
    parser.add_argument("--batches", default="1", help="as 1,2,4,8")
    parser.add_argument("--positions", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=12, help="in a round")
    parser.add_argument("--threads", type=int, help="on a CPU")
    parser.add_argument("--record", action="store_true", help="write it under benchmarks/")
    options = parser.parse_args()
    if options.model is None:
        suite.run(suite.on_cpu(), "script/bench engine", record=options.record)
        return
    if options.threads:
        torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as made:
        folder = options.checkpoint or models.make(options.model, Path(made) / "csm")
        found = measure(folder, options.cache or Path(made) / "compiled", options)
    print("\n".join(lines_of(found)))
    print(json.dumps(found), flush=True)


def measure(folder: Path, cache: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Measure everything of one model in this process."""
    device = torch.device(options.device)
    batches = [int(n) for n in options.batches.split(",")]
    config = CsmConfig(
        dtype=options.dtype, depth_dtype=options.depth_dtype, compile=_COMPILE[options.compile]
    )
    setting = Setting(config, device, max(batches), options.positions, _SAMPLING, cache)
    engine = EngineUnderTest(folder, setting, _tell)
    prompt = models.prompt(engine.sizes, _VOICE[device.type])
    found: dict[str, Any] = {
        **timing.describe(device),
        "on_gpu": device.type == "cuda",
        "model": options.model,
        "dtype": str(engine.types),
        "compiled": engine.compiled,
        "compile_s": engine.compile_seconds,
        "capture_s": engine.capture_seconds,
    }
    _tell("one sentence")
    found |= alone(engine, prompt, options)
    _tell("several")
    found |= by_batch(engine, prompt, batches, options)
    if options.model == "full":  # a smaller one fits into a cache
        found |= memory(engine, found["frame_ms_p50"])
    found |= counted(engine, prompt)
    if options.rivals != "none":
        _tell("rivals")
        whole = torch.cat((prompt, models.prompt(engine.sizes, _TEXT, seed=1)))
        compiled = (False, True) if options.rivals == "all" else (False,)
        found |= rivals.compare(engine, folder, whole, options.frames, options.rounds, compiled)
    return found


def alone(engine: EngineUnderTest, prompt: Tensor, options: argparse.Namespace) -> dict[str, Any]:
    """Time one sentence: prefill, first frame, frames; with the voice's prompt cached and not."""
    text = models.prompt(engine.sizes, _TEXT, seed=1)
    cached = engine.cache_prompt(prompt)
    engine.speak(text, _LONG_BEFORE, cached)
    runs = [engine.speak(text, options.frames, cached) for _ in range(options.rounds)]
    frames = [seconds for run in runs for seconds in timing.frame_seconds(run)]
    whole = torch.cat((prompt, text))
    fresh = [engine.speak(whole, 1)[0] for _ in range(3)]
    narrow, wide = engine.backbone_step(256, 100), engine.backbone_step(2048, 100)
    steps = timing.interleaved(20, {"narrow": narrow, "wide": wide})
    p50 = timing.median_ms(frames)
    return {
        "voice_positions": len(prompt),
        "text_positions": len(text),
        "first_frame_ms": timing.median_ms([run[0] for run in runs]),
        "first_frame_ms_voice_not_cached": timing.median_ms(fresh),
        "frame_ms_p50": p50,
        "frame_ms_p95": timing.percentile_ms(frames, 95),
        "frame_ms_p99": timing.percentile_ms(frames, 99),
        "p99_over_p50": timing.percentile_ms(frames, 99) / p50,
        "rtf": p50 / timing.FRAME_MS,
        "step_at_100_of_2048_over_of_256": timing.ratio(steps["wide"], steps["narrow"]),
    }


def by_batch(
    engine: EngineUnderTest, prompt: Tensor, batches: list[int], options: argparse.Namespace
) -> dict[str, Any]:
    """Time frames of several sentences at once, the batches interleaved."""
    cached = engine.cache_prompt(prompt)
    text = models.prompt(engine.sizes, _TEXT, seed=1)
    every: dict[int, list[float]] = {n: [] for n in batches}

    def run(n: int) -> float:
        for slot in range(n):
            engine.begin(slot, text, cached)
        seconds = timing.frame_seconds(engine.frames(range(n), max(4, options.frames // 2)))
        for slot in range(n):
            engine.pipeline.release(slot)
        every[n] += seconds
        return statistics.median(seconds)

    rounds = timing.interleaved(options.rounds, {str(n): partial(run, n) for n in batches})
    first = rounds[str(batches[0])]
    return {
        "frame_ms_by_batch": {n: timing.median_ms(rounds[str(n)]) for n in batches},
        "frame_ms_p99_by_batch": {n: timing.percentile_ms(every[n], 99) for n in batches},
        "frames_per_s_by_batch": {n: n / statistics.median(rounds[str(n)]) for n in batches},
        "rtf_by_batch": {
            n: timing.median_ms(rounds[str(n)]) / timing.FRAME_MS / n for n in batches
        },
        "frames_per_s_over_one": {
            n: n / batches[0] / timing.ratio(rounds[str(n)], first) for n in batches
        },
    }


def memory(engine: EngineUnderTest, frame_ms: float) -> dict[str, Any]:
    """Return the bytes that a frame must read, and how near to the memory's speed it comes."""
    codec = sum(p.nbytes for p in engine.decoder.parameters())
    bytes_read = bytes_per_frame(engine.model) + codec
    bandwidth = timing.copy_bandwidth(engine.device)
    per_second = bytes_read / frame_ms * 1000
    found = {
        "gb_per_frame": bytes_read / 1e9,
        "gb_per_s": per_second / 1e9,
        "copy_gb_per_s": bandwidth / 1e9,
        "share_of_floor": per_second / bandwidth,
    }
    if engine.device.type == "cuda":
        free, total = torch.cuda.mem_get_info(engine.device)
        found["torch_gb_peak"] = torch.cuda.max_memory_allocated(engine.device) / 1e9
        found["device_gb_taken"] = (total - free) / 1e9
    return found


def counted(engine: EngineUnderTest, prompt: Tensor) -> dict[str, Any]:
    """Count operations and host reads; on a GPU the captured frame's kernels, launches, waits."""
    eager = engine.count(prompt)
    found: dict[str, Any] = {
        "ops_per_frame": eager["ops"],
        "matrix_products_per_frame": eager["products"],
        "host_reads_per_frame": eager["host_reads"],
    }
    if engine.device.type == "cuda":
        found |= {f"{k}_per_frame": v for k, v in engine.count_on_gpu(prompt).items()}
    return found


def _tell(what: str) -> None:
    print(f"  {what}", flush=True)


if __name__ == "__main__":
    main()
