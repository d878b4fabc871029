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
from benchmarks.engine_under_test import EngineUnderTest
from benchmarks.transformers_generate import Generate, load
from wyoming_csm.model.sampling import Sampling

_SAMPLING = Sampling()
Speak = Callable[[int], list[float]]  # frames → when each was made


def compare(
    ours: EngineUnderTest,
    folder: Path,
    prompt: Tensor,
    frames: int,
    rounds: int,
    compiled: Sequence[bool],
) -> dict[str, Any]:
    """Let every engine prefill the prompt and speak; `compiled`: in which forms the rivals come.

    transformers makes codes, so on a CPU it meets our codes; on a GPU our codes with their sound,
    since those are in graphs. csm-streaming's loop meets ours with its codec's time added.
    """
    model = load(folder, ours.types.compute, ours.device)
    how: dict[str, Any] = {"temperature": _SAMPLING.temperature, "top_k": _SAMPLING.top_k}
    runs: dict[str, Speak] = {"ours": partial(ours.speak, prompt)}
    runs["our_codes"] = runs["ours"] if ours.pipeline.ahead else partial(ours.make_codes, prompt)
    loops: dict[str, CsmStreaming] = {}
    for fused in compiled:
        suffix = "_compiled" if fused else ""
        runs[f"transformers{suffix}"] = partial(
            Generate(model, **how, compiled=fused).speak, prompt
        )
        loop = CsmStreaming(model, **how, compiled=fused)
        loops[f"csm_streaming{suffix}"] = loop
        runs[f"csm_streaming{suffix}"] = partial(loop.speak, prompt, sound=False)
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
        found |= _cost(name, loop, prompt)
    return found | _best(found, compiled)


def _warm_up(runs: dict[str, Speak], frames: int) -> dict[str, str]:
    """Run each engine twice; leave out those that cannot be compiled here, and return the causes.

    As many frames are made as are measured: transformers makes its static caches as long as the
    sentence, and would compile again. What is compiled compiles in both runs.
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
    """Compare with each rival in the form that is quickest here."""
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


def _codec_seconds(loop: CsmStreaming, ours: EngineUnderTest) -> float:
    """Time the codec for one frame that is decoded with nineteen others."""
    codes = torch.randint(ours.sizes.codebook_size, (BUFFERED, 1, ours.sizes.codebooks))
    frames = list(codes.to(ours.device))
    loop.decode(frames)
    seconds = [timing.seconds_of(lambda: loop.decode(frames)) for _ in range(3)]
    return statistics.median(seconds) / BUFFERED


def _cost(name: str, loop: CsmStreaming, prompt: Tensor) -> dict[str, Any]:
    """Count what a frame launches and waits for: the difference between two frames and one."""
    if loop.device.type == "cuda":
        every = iter(loop.frames(prompt, 8))
        next(every)
        found: dict[str, Any] = counting.count_on_gpu(lambda: next(every))
        return {f"{name}_{key}_per_frame": value for key, value in found.items()}
    if name.endswith("_compiled"):
        return {}  # its operations are inside the compiled parts
    one, two = (counting.count(partial(loop.speak, prompt, n, sound=False)) for n in (1, 2))
    return {
        f"{name}_ops_per_frame": two["ops"] - one["ops"],
        f"{name}_host_reads_per_frame": two["host_reads"] - one["host_reads"],
    }
