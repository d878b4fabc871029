"""Compares what an agent-check may say: replicas behind HAProxy's leastconn, in simulated time.

`python -m benchmarks.weights`: how long requests wait for a slot, where replicas are alike, where
one has half the slots, and where one speaks to others that did not come through the balancer.
HAProxy gives a connection to the replica with the least (its connections + 1) / weight, one without
any first, and asks the agents twice a second.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import quantiles

from wyoming_csm.server.agent import percent

_ASKED_EACH = 0.5  # seconds
_SPOKEN = 3.0  # seconds of a slot, on average; half of that at least
_SECONDS = 4_000.0

Weight = Callable[[int, int], int]  # of free slots (negative: so many wait), and all slots

WEIGHTS: dict[str, Weight] = {
    "none": lambda free, slots: 100,
    "free slots": lambda free, slots: max(1, round(100 * free / slots)),
    "ours": percent,
}
# Slots of each replica, and how many of them others hold all the time.
FLEETS = {
    "alike": ((8, 8, 8), (0, 0, 0)),
    "one is half as large": ((8, 8, 4), (0, 0, 0)),
    "one has 4 others": ((8, 8, 8), (4, 0, 0)),
}


@dataclass
class Replica:
    """One of them, with the ends of what was given to it."""

    slots: int
    others: int
    asked_next: float
    weight: int = 100

    def __post_init__(self) -> None:
        self.ends: list[float] = []
        self.free_at = [0.0] * (self.slots - self.others)

    def give(self, now: float, seconds: float) -> float:
        """Take a request; return for how long it waits for a slot."""
        slot = min(range(len(self.free_at)), key=self.free_at.__getitem__)
        begins = max(now, self.free_at[slot])
        self.free_at[slot] = begins + seconds
        self.ends.append(begins + seconds)
        return begins - now

    def ask(self, weight: Weight, now: float) -> None:
        """Let the agent be asked as often as it was until now."""
        while self.asked_next <= now:
            busy = self.others + sum(end > self.asked_next for end in self.ends)
            self.weight = weight(self.slots - busy, self.slots)
            self.asked_next += _ASKED_EACH
        self.ends = [end for end in self.ends if end > now]


def run(weight: Weight, fleet: tuple[Sequence[int], Sequence[int]], busy: float) -> list[float]:
    """Return the seconds that each request waits, of a fleet whose slots are so `busy`."""
    chance = random.Random(1)
    replicas = [Replica(*one, chance.random() * _ASKED_EACH) for one in zip(*fleet, strict=True)]
    rate = busy * sum(len(one.free_at) for one in replicas) / _SPOKEN
    now, waited = 0.0, []
    while now < _SECONDS:
        now += chance.expovariate(rate)
        for replica in replicas:
            replica.ask(weight, now)
        best = min(replicas, key=lambda one: len(one.ends) and (len(one.ends) + 1) / one.weight)
        replicas.remove(best)
        replicas.append(best)  # of equal ones it is the last next time
        waited.append(best.give(now, _SPOKEN / 2 + chance.expovariate(2 / _SPOKEN)))
    return waited


def main() -> None:
    """Print a table: milliseconds of waiting, p95 and p99."""
    print(f"{'fleet':22}{'busy':>6}" + "".join(f"{name:>20}" for name in WEIGHTS))
    for name, fleet in FLEETS.items():
        for busy in (0.6, 0.7, 0.85):
            cells = []
            for weight in WEIGHTS.values():
                cuts = quantiles(run(weight, fleet, busy), n=100)
                cells.append(f"{1000 * cuts[94]:.0f} / {1000 * cuts[98]:.0f}")
            print(f"{name:22}{busy:6.2f}" + "".join(f"{cell:>20}" for cell in cells))


if __name__ == "__main__":
    main()
