"""One run of a simulated fleet, and what its listeners had."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.fleet import balancer as balancers
from benchmarks.fleet import compiled
from benchmarks.fleet.state import (
    FELL_BACK,
    FRAMES,
    LOST,
    MOST_QUEUED,
    MOST_TAKEN,
    REFUSED,
    SPOKEN,
    STEPS,
    Engine,
    Fleet,
    Floats,
    Ints,
    Work,
    empty_fleet,
)
from wyoming_csm.worker.csm.cost import FRAME_SECONDS

BALANCERS = {"leastconn": balancers.LEAST, "random": balancers.RANDOM, "two": balancers.TWO}
WEIGHTS = {"half": balancers.HALF, "all": balancers.ALL}
MOST_GAP = 0.02  # seconds without sound in a reply that count as none
_FEW = 200_000  # frames, which are quicker said than a compiler is asked


@dataclass(frozen=True)
class Event:
    """At a moment, something happens to a replica: see `balancer`."""

    at: float
    replica: int
    kind: int


@dataclass(frozen=True)
class Setting:
    """The replicas and the balancer before them; seconds."""

    replicas: int
    engine: Engine
    balancer: str = "leastconn"
    weighed_every: float = 0.0  # the agent is asked for free slots so often; 0: never
    weighed_by: str = "half"  # of WEIGHTS
    most_connections: int = 1 << 20  # of a replica
    connect_seconds: float = 2.0  # a replica that does not answer is tried for so long
    events: Sequence[Event] = field(default=())


@dataclass(frozen=True)
class Result:
    """What became of the replies of some work."""

    setting: Setting
    work: Work
    fleet: Fleet
    seconds: float  # until all was said

    def asked(
        self, since: float = 0.0, until: float = np.inf, every: float = np.inf
    ) -> NDArray[np.bool]:
        """Return which replies are asked for in this time, or as long after each `every`."""
        gone = self.work.at - since
        return (gone >= 0) & (gone % every < until - since)

    def firsts(self, *time: float) -> Floats:
        """Return seconds to the first sound of CSM, for replies `asked` for in this time; infinite
        for those that got none."""
        found = self.fleet.first_sound[self.asked(*time)]
        return np.where(found < 0, np.inf, found)

    def percentile(self, percent: float, *time: float) -> float:
        """Return a percentile of these, in seconds."""
        found = self.firsts(*time)
        if not len(found):
            return 0.0
        return float(np.percentile(found, percent, method="higher"))

    @property
    def outcomes(self) -> dict[str, int]:
        """Return how many replies ended how."""
        names = {"spoken": SPOKEN, "other voice": FELL_BACK, "lost": LOST, "refused": REFUSED}
        return {name: int(np.sum(self.fleet.outcome == one)) for name, one in names.items()}

    def told(self, *time: float) -> dict[str, Any]:
        """Return what is worth a line, for replies `asked` for in this time."""
        asked = self.asked(*time)
        outcome, count = self.fleet.outcome[asked], max(1, int(np.sum(asked)))
        share = np.bincount(self.fleet.replica[asked & (self.fleet.replica >= 0)])
        counts = self.fleet.counts
        return {
            "replies": int(np.sum(asked)),
            **{f"p{p}_ms": 1000 * self.percentile(p, *time) for p in (50, 95, 99)},
            "with_gaps_%": 100 * float(np.sum(self.fleet.gaps[asked] > MOST_GAP)) / count,
            "other_voice_%": 100 * float(np.sum(outcome == FELL_BACK)) / count,
            "lost": int(np.sum(outcome == LOST)),
            "refused": int(np.sum(outcome == REFUSED)),
            "gpu_busy_%": 100 * float(np.mean(self.fleet.busy) / max(self.seconds, 1e-9)),
            "spread_%": 100 * float(np.max(np.abs(share / np.mean(share) - 1)))
            if any(share)
            else 0,
            "sentences_a_step": float(counts[FRAMES] / max(1, counts[STEPS])),
            "most_slots": int(counts[MOST_TAKEN]),
            "most_waiting": int(counts[MOST_QUEUED]),
        }


def simulate(work: Work, setting: Setting) -> Result:
    """Let a fleet speak all of this work; the same work and setting give the same result."""
    fleet = empty_fleet(setting.replicas, len(setting.engine.step) - 1, len(work.at))
    events = sorted(setting.events, key=lambda event: event.at)
    at = np.array([event.at for event in events], dtype=np.float64)
    what: Ints = np.array([(e.replica, e.kind) for e in events], dtype=np.int64).reshape(-1, 2)
    form = WEIGHTS[setting.weighed_by]
    rules = np.array([BALANCERS[setting.balancer], setting.most_connections, form], dtype=np.int64)
    seconds = np.array([setting.connect_seconds, setting.weighed_every], dtype=np.float64)
    few = int(work.frames.sum()) < _FEW or not compiled.is_possible()
    run = balancers.run if few else compiled.compiled_run()
    return Result(setting, work, fleet, run(fleet, work, setting.engine, rules, seconds, at, what))


def work_of(
    at: Floats, frames: Sequence[Sequence[int]], positions: Sequence[Sequence[int]], seed: int = 1
) -> Work:
    """Return work from each reply's sentences, as lists."""
    first = np.concatenate([[0], np.cumsum([len(one) for one in frames])]).astype(np.int64)
    return Work(
        np.asarray(at, dtype=np.float64),
        first,
        np.array([n for one in frames for n in one], dtype=np.int64),
        np.array([n for one in positions for n in one], dtype=np.int64),
        np.full(len(frames), -1, dtype=np.int64),
        np.random.default_rng(seed).random(2 * len(frames)),
    )


def hours_of_speech(work: Work) -> float:
    """Return the hours of sound in some work."""
    return float(work.frames.sum()) * FRAME_SECONDS / 3600
