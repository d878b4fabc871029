"""What listeners have of simulated devices under load, and what the scheduler itself costs.

Time is simulated, so the first table is the same on every machine. Prints tables, then one line
of JSON.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

from benchmarks.scripted_runner import Device
from benchmarks.simulation import Line, World, crowd, gaps


def step(fixed: float, each: float) -> Callable[[int], float]:
    """Milliseconds to a step's seconds."""
    return lambda n: (fixed + each * n) / 1000


DEVICES = {
    "10 + 6 n": Device(step=step(10, 6)),
    "10 + 6 n, 10 % slower than told": Device(step=step(10, 6), really=1.1),
    "10 + 14 n": Device(step=step(10, 14)),
    "4 + 0.5 n": Device(step=step(4, 0.5)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crowds", type=int, default=50, help="of 16 listeners, for each line")
    options = parser.parse_args()
    lines = [
        {"step_ms": name, "ahead": ahead, "leaving": leaving}
        | found_by(Device(device.step, device.prefill, device.really, 8, ahead), leaving, options)
        for name, device in DEVICES.items()
        for ahead in (0, 1)
        for leaving in (0.0, 0.3)
    ]
    costs = {str(slots): round(turn_cost(slots), 1) for slots in (1, 8, 32, 128, 256)}
    print("| " + " | ".join(lines[0]) + " |")
    print("|" + "---|" * len(lines[0]))
    for line in lines:
        print("| " + " | ".join(map(str, line.values())) + " |")
    print(
        "\nOf loop, scripted runner and listeners, µs a turn by slots that speak:",
        costs,
    )
    print(json.dumps({"listeners": lines, "turn_us": costs}))


def found_by(device: Device, leaving: float, options: argparse.Namespace) -> dict[str, object]:
    """Return what some crowds had: seconds to the first sound, gaps, late sentences."""
    admitted, arrived, inside, between = [], [], [], []
    sentences = late = after_stop = 0
    for seed in range(options.crowds):
        world = crowd(seed, device, leaving=leaving)
        found = gaps(world)
        inside += found[0]
        between += found[1]
        replies = set()
        for number, told in world.told.items():
            sentences += 1
            late += told.late is not None
            after_stop = max(after_stop, world.frames_after_stop(number))
            if told.sound:
                admitted.append(told.sound[0] - (told.begun or 0.0))
                if told.reply not in replies:
                    arrived.append(told.sound[0] - told.asked)
            replies.add(told.reply)
    return {
        "sentences": sentences,
        "late": late,
        "first sound after admission p50": round(statistics.median(admitted), 2),
        "max": round(max(admitted), 2),
        "after arrival p50": round(statistics.median(arrived), 2),
        "p95": round(statistics.quantiles(arrived, n=20)[-1], 2),
        "gaps inside sentences": len(inside),
        "between them": len(between),
        "longest gap ms": round(1000 * max((*inside, *between), default=0.0)),
        "frames after a stop, most": after_stop,
    }


def turn_cost(slots: int) -> float:
    """Microseconds of a turn that launches and collects a frame of so many, median."""
    device = Device(step=lambda n: 0.004, prefill=lambda _: 0.0, slots=slots)
    world = World(device, [[Line(frames=400, positions=1)] for _ in range(slots)])
    while len(world.sizes) < 2 or world.sizes[-1] < slots:
        world.loop.turn()
    times = []
    for _ in range(100):
        begin = time.perf_counter()
        world.loop.turn()
        times.append(time.perf_counter() - begin)
    return 1e6 * statistics.median(times)


if __name__ == "__main__":
    main()
