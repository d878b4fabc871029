"""The engine and its rivals, one after another in every round, over the same weights."""

import statistics
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks import counting, timing
from benchmarks.csm_streaming import BUFFERED, CsmStreaming
from benchmarks.ours import Ours
from benchmarks.transformers_generate import Generate, load
from wyoming_csm.model.sampling import Sampling

_SAMPLING = Sampling()
Speak = Callable[[int], list[float]]  # frames → when each was there


def fight(
    ours: Ours, folder: Path, rows: Tensor, frames: int, rounds: int, compiled: Sequence[bool]
) -> dict[str, Any]:
    """Everybody hears all of the prompt and speaks; `compiled`: in which forms the rivals come.

    transformers makes codes, so on a CPU it meets our codes; on a GPU our codes with their sound,
    since those are in graphs. csm-streaming's loop meets ours with its codec's time added.
    """
    model = load(folder, ours.types.compute, ours.device)
    how: dict[str, Any] = {"temperature": _SAMPLING.temperature, "top_k": _SAMPLING.top_k}
    runs: dict[str, Speak] = {"ours": partial(ours.speak, rows)}
    runs["our_codes"] = runs["ours"] if ours.pipeline.ahead else partial(ours.spell, rows)
    loops: dict[str, CsmStreaming] = {}
    for fused in compiled:
        suffix = "_compiled" if fused else ""
        runs[f"transformers{suffix}"] = partial(Generate(model, **how, compiled=fused).speak, rows)
        loop = CsmStreaming(model, **how, compiled=fused)
        loops[f"csm_streaming{suffix}"] = loop
        runs[f"csm_streaming{suffix}"] = partial(loop.speak, rows, sound=False)
    left_out = _warm_up(runs, frames)
    loops = {name: loop for name, loop in loops.items() if name in runs}
    firsts: dict[str, list[float]] = {name: [] for name in runs}

    def run(name: str) -> float:
        ends = runs[name](frames)
        firsts[name].append(ends[0])
        return statistics.median(timing.frame_seconds(ends))

    seconds = timing.interleaved(rounds, {name: partial(run, name) for name in runs})
    codec = _codec_seconds(next(iter(loops.values())), ours)
    found: dict[str, Any] = {"rounds": rounds, "frames_in_a_round": frames}
    found |= {"left_out": left_out} if left_out else {}
    for name in runs:
        found[f"{name}_frame_ms"] = timing.median_ms(seconds[name])
        found[f"{name}_first_codes_ms"] = timing.median_ms(firsts[name])
        if name.startswith("transformers"):
            found[f"speedup_vs_{name}"] = timing.ratio(seconds[name], seconds["our_codes"])
    found["csm_streaming_codec_ms_a_frame"] = codec * 1000
    for name, loop in loops.items():
        with_codec = [s + codec for s in seconds[name]]
        found[f"speedup_vs_{name}"] = timing.ratio(with_codec, seconds["ours"])
        frame = statistics.median(seconds[name])
        first = statistics.median(firsts[name]) + (BUFFERED - 1) * frame + BUFFERED * codec
        found[f"{name}_first_sound_ms"] = first * 1000
        found |= _cost(name, loop, rows)
    return found | _best(found, compiled)


def _warm_up(runs: dict[str, Speak], frames: int) -> dict[str, str]:
    """Who cannot be compiled here is left out, and named with the cause.

    As many frames as are measured: transformers makes its static caches as long as the sentence,
    and would compile again. Twice: what is compiled compiles in the first, again in the second.
    """
    left_out: dict[str, str] = {}
    for name, speak in list(runs.items()):
        try:
            for _ in range(2):
                speak(frames)
        except RuntimeError as error:  # the compiler's are among them
            if not name.endswith("_compiled"):
                raise
            left_out[name] = (str(error).strip().splitlines() or [type(error).__name__])[0]
            del runs[name]
    return left_out


def _best(found: dict[str, Any], compiled: Sequence[bool]) -> dict[str, Any]:
    """Against each rival in the form that is quickest here."""
    suffixes = ["_compiled" if fused else "" for fused in compiled]
    least: dict[str, Any] = {}
    for name in ("transformers", "csm_streaming"):
        speedups = {
            f"{name}{suffix}": found.pop(f"speedup_vs_{name}{suffix}")
            for suffix in suffixes
            if f"speedup_vs_{name}{suffix}" in found
        }
        least[f"speedup_vs_{name}"] = min(speedups.values())
        least[f"speedup_vs_each_{name}"] = speedups
    return least


def _codec_seconds(loop: CsmStreaming, ours: Ours) -> float:
    """Of a frame, decoded with nineteen others."""
    codes = torch.randint(ours.sizes.codebook_size, (BUFFERED, 1, ours.sizes.codebooks))
    frames = list(codes.to(ours.device))
    loop.decode(frames)
    seconds = [timing.seconds_of(lambda: loop.decode(frames)) for _ in range(3)]
    return statistics.median(seconds) / BUFFERED


def _cost(name: str, loop: CsmStreaming, rows: Tensor) -> dict[str, Any]:
    """What a frame launches and waits for: the difference between two frames and one."""
    if loop.device.type == "cuda":
        every = iter(loop.frames(rows, 8))
        next(every)
        found: dict[str, Any] = counting.count_on_gpu(lambda: next(every))
        return {f"{name}_{key}_per_frame": value for key, value in found.items()}
    if name.endswith("_compiled"):
        return {}  # its operations are inside the compiled parts
    one, two = (counting.count(partial(loop.speak, rows, n, sound=False)) for n in (1, 2))
    return {
        f"{name}_ops_per_frame": two["ops"] - one["ops"],
        f"{name}_host_reads_per_frame": two["host_reads"] - one["host_reads"],
    }
