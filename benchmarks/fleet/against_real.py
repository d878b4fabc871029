"""Holds the simulation to real replicas behind a real HAProxy: same arrivals, same step costs.

`python -m benchmarks.fleet.against_real`. The replicas are servers over children that take a GPU's
time (`benchmarks/replicas.py`). Each round asks at random moments; the very moments and texts are
then simulated. The way through server and balancer is measured before, with one caller at a time.
Prints a table, then one line of JSON. Needs haproxy; on a busy machine `chrt -r 5` before it gives
these processes the time that their own machine would.
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from benchmarks.balanced import balanced
from benchmarks.callers import Call, Pattern, Target, call_for
from benchmarks.fixtures.fake_child import FakeSettings
from benchmarks.fleet.cards import PIPE_SECONDS, linear
from benchmarks.fleet.simulate import MOST_GAP, Setting, simulate, work_of
from benchmarks.fleet.state import Engine
from benchmarks.record import lines_of
from benchmarks.replicas import configuration, firsts

WEIGHED_EVERY = 0.5  # seconds, as haproxy.cfg has it
_BAR = 15.0  # percent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicas", type=int, default=3)
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--step", type=float, default=0.040, help="seconds of a step (0.040)")
    parser.add_argument(
        "--step-each", type=float, default=0.003, help="and for each sentence (0.003)"
    )
    parser.add_argument("--prefill", type=float, default=0.040, help="of a prompt (0.040)")
    parser.add_argument("--frames-per-character", type=float, default=0.7)
    parser.add_argument("--rates", default="3,6,8", help="texts a second, a round for each")
    parser.add_argument("--burst", type=int, default=0, help="more of them, each ten seconds")
    parser.add_argument("--calls", type=float, default=500, help="of a round, about (500)")
    parser.add_argument("--no-weights", action="store_true", help="plain least connections")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        found = asyncio.run(measure(Path(made), options))
    print("\n".join(lines_of(found)))
    print(json.dumps(found))


async def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Return both first sounds of each round, in milliseconds."""
    fake = FakeSettings(
        slots=options.slots,
        step_seconds=options.step,
        step_seconds_each=options.step_each,
        prefill_seconds=options.prefill,
        ahead=1,
        tone=True,
        frames_per_character=options.frames_per_character,
    )
    found: dict[str, Any] = dict(vars(options))
    made = [configuration(folder / f"r{n}", "fake") for n in range(options.replicas)]
    as_made = replace(made[0].sound, fill_gaps=False)  # or gaps were filled, and none to be heard
    configs = [replace(config, sound=as_made) for config in made]
    rounds: dict[float, list[Call]] = {}
    async with balanced(configs, fake, folder, is_weighed=not options.no_weights) as balancer:
        target: Target = lambda _: ("127.0.0.1", balancer.port)  # noqa: E731
        alone: list[Call] = []
        while len(alone) < 20:
            alone += await call_for(3.0, Pattern(callers=1, think=0.1, seed=len(alone)), target)
        for rate in map(float, options.rates.split(",")):
            pattern = Pattern(200, rate=rate, burst=options.burst, seed=options.seed)
            seconds = options.calls / (rate + options.burst / 10)
            rounds[rate] = await call_for(seconds, pattern, target)
            found[f"load_{rate:g}"] = os.getloadavg()[0]
    idle = options.prefill + options.step + options.step_each
    front = statistics.median(c.first - c.asked for c in alone if c.first is not None) - idle
    found["front_ms"] = 1000 * front
    for rate, calls in rounds.items():
        found[f"rate_{rate:g}"] = compared(calls, front, options)
    return found


def compared(calls: list[Call], front: float, options: argparse.Namespace) -> dict[str, Any]:
    """Return the first sounds of some calls, and those of the same calls simulated."""
    step = linear(options.step, options.step_each, options.slots)
    engine = Engine(step, np.array([options.prefill, 0.0]), 1, front, PIPE_SECONDS, True)
    began = min(call.asked for call in calls)
    frames = [[max(1, round(options.frames_per_character * len(c.text)))] for c in calls]
    at = np.array([call.asked - began for call in calls])
    work = work_of(at, frames, [[1]] * len(calls))
    every = 0.0 if options.no_weights else WEIGHED_EVERY
    setting = Setting(options.replicas, engine, weighed_every=every)
    result = simulate(work, setting)
    real, simulated = firsts(calls), result.told()
    found: dict[str, Any] = {
        "calls": len(calls),
        "not_whole": sum(call.outcome != "whole" for call in calls),
        "frames_real": sum(c.bytes for c in calls) / 3840,
        "frames_simulated": int(work.frames.sum()),
        "gpu_busy_%": simulated["gpu_busy_%"],
        "most_waiting": simulated["most_waiting"],
        "with_gaps_real_%": 100 * statistics.mean(call.gaps > MOST_GAP for call in calls),
        "with_gaps_simulated_%": simulated["with_gaps_%"],
    }
    for name, value in real.items():
        ours = simulated[f"{name}_ms"]
        off = 100 * (ours / value - 1)
        found[f"{name}_real_ms"], found[f"{name}_simulated_ms"] = value, ours
        found[f"{name}_off_%"] = off
    found["agrees"] = all(abs(found[f"{p}_off_%"]) <= _BAR for p in ("p50", "p95"))
    return found


if __name__ == "__main__":
    main()
