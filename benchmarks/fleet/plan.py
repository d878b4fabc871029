"""What a fleet must be for a demand, what it costs, and what its listeners have in bad hours."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.fleet import faults
from benchmarks.fleet.demand import (
    BURST,
    BURST_SECONDS,
    QUARTER,
    WARM_SECONDS,
    WHOLE,
    Day,
    busiest,
)
from benchmarks.fleet.simulate import Event, Result, Setting, hours_of_speech, simulate
from benchmarks.fleet.state import Engine, Work
from wyoming_csm.worker.csm.cost import FRAME_SECONDS

TARGET_SECONDS = 0.3
MOST_GAPS = 0.1  # % of the replies may have some in their sound
_LEAST_REPLIES = 5_000  # in bursts: fifty of them decide about p99, five about gaps
_FULL = 0.95  # of real time, as the scheduler has it
MINUTE = 60.0
ZONE_LOST_AT = WARM_SECONDS + QUARTER - 2 * MINUTE


def most_frames(engine: Engine) -> float:
    """Return how many frames a second a replica makes at most while it is in time."""
    sizes = [n for n in range(1, len(engine.step)) if engine.step[n] <= _FULL * FRAME_SECONDS]
    return float(max((n / engine.step[n] for n in sizes), default=1 / engine.step[1]))


def busy_work(day: Day, units: float, seed: int, longest: float = np.inf) -> Work:
    """Return the busiest quarters of an hour, as many as there have to be to tell of bursts."""
    share = day.together + (1 - day.together) * BURST_SECONDS / QUARTER
    quarters = math.ceil(_LEAST_REPLIES / (units * day.replies_in(day.busiest) / 4 * share))
    return busiest(day, units, min(longest, WARM_SECONDS + quarters * QUARTER), seed)


def is_enough(result: Result, target: float = TARGET_SECONDS) -> bool:
    """Return true if 99 of 100 replies have their first sound within the target and hardly any has
    gaps in its sound: of all, and of those that are asked for as a quarter of an hour strikes."""
    return all(
        told["p99_ms"] <= 1000 * target and told["with_gaps_%"] <= MOST_GAPS
        for told in (result.told(*WHOLE), result.told(*BURST))
    )


def needed(work: Work, setting: Setting, *, target: float = TARGET_SECONDS) -> Result:
    """Return the run of the fewest replicas that are enough: one fewer is not.

    Raises ValueError if even an idle replica is too slow.
    """
    seconds = max(1.0, float(work.at[-1]))
    offered = float(work.frames.sum()) / seconds
    count = max(1, int(offered / most_frames(setting.engine)))
    few, enough = count - 1, None
    while enough is None or enough.setting.replicas > few + 1:
        result = simulate(work, replace(setting, replicas=count))
        if is_enough(result, target):
            enough = result
        elif len(work.at) < 20 * count:
            raise ValueError("not even a replica for each few replies is quick enough")
        else:
            few = count
        count = (few + enough.setting.replicas) // 2 if enough else 2 * few
    return enough


def with_a_zone_lost(least: int, zones: int) -> int:
    """Return how many there must be in so many zones, shared out evenly, for `least` to be left
    when one of the zones is lost."""
    count = least
    while count - math.ceil(count / zones) < least:
        count += 1
    return count


def price_of_speech(day: Day, units: float, replicas: int, price: float) -> float:
    """Return what an hour of sound costs if the replicas run all day, `price` an hour each."""
    spoken = day.seconds * np.exp(day.spread**2 / 2)
    shares = np.array(day.sentences) / sum(day.sentences)
    sentences = float(shares @ np.arange(1, len(shares) + 1))
    hours = units * day.replies_a_day * sentences * spoken / 3600
    return float(24 * price * replicas / hours)


def unseen(work: Work, share: float, replicas: int, seed: int = 1) -> Work:
    """Return the same work, of which a share does not come through the balancer but is sent to the
    first half of the replicas, as by clients that have an address of their own there."""
    chance = np.random.default_rng(seed)
    past = chance.random(len(work.at)) < share
    to = chance.integers(0, max(1, replicas // 2), len(work.at))
    return work._replace(direct=np.where(past, to, -1).astype(np.int64))


def minutes(result: Result, every: float = MINUTE) -> list[dict[str, Any]]:
    """Return what replies had by the time in which they were asked for."""
    ends = np.arange(0, result.work.at[-1] + every, every)
    return [
        {"from_s": float(begin), **_few(result.told(begin, begin + every))} for begin in ends[:-1]
    ]


def _few(told: dict[str, Any]) -> dict[str, Any]:
    names = ("replies", "p50_ms", "p99_ms", "with_gaps_%", "other_voice_%", "lost", "refused")
    return {name: told[name] for name in names}


def bad_hour(
    day: Day, units: float, setting: Setting, events: Sequence[Event], seconds: float, seed: int
) -> Result:
    """Return a run of the busiest pace in which things happen."""
    work = busiest(day, units, seconds, seed)
    return simulate(work, replace(setting, events=events))


def zone_lost(
    day: Day, units: float, setting: Setting, zones: int, back_after: float, seed: int
) -> Result:
    """Return 25 minutes in which a zone is lost after 14, two before a quarter is struck."""
    events = faults.zone_lost(setting.replicas, zones, ZONE_LOST_AT, back_after)
    return bad_hour(day, units, setting, events, 25 * MINUTE, seed)


def rolled_out(day: Day, units: float, setting: Setting, at_once: int, seed: int) -> Result:
    """Return the busiest pace while a new version replaces all replicas, from the second minute
    on, and two minutes more."""
    events = faults.rollout(setting.replicas, 2 * MINUTE, at_once)
    return bad_hour(day, units, setting, events, events[-1].at + 2 * MINUTE, seed)


def speech(result: Result) -> float:
    """Return the hours of sound that were asked for."""
    return hours_of_speech(result.work)
