"""Who asks when, and for how much: a day of homes, a hotel, a city, or their busiest minutes."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks.fleet.state import Floats, Work
from wyoming_csm.worker.csm.cost import FRAME_SECONDS

DAYS = Path(__file__).with_name("days.json")
DAY = 86_400.0
WARM_SECONDS = 60.0
QUARTER = 900.0  # seconds: what is done by the clock is done then
BURST_SECONDS = 15.0  # from then on: until those who asked together have been spoken to
# Replies of `busiest` by when they are asked for, as `Result.told` takes it.
WHOLE = (WARM_SECONDS / 2, np.inf, np.inf)
BURST = (WARM_SECONDS, WARM_SECONDS + BURST_SECONDS, QUARTER)
_POSITIONS = (20, 60)  # of a sentence's prompt behind the cached ones, as in simulation.py
_LONGEST = 20.0  # seconds of a sentence


@dataclass(frozen=True)
class Day:
    """What one unit, a home or a room, asks for. `together`: this share comes within so many
    seconds of a quarter of an hour, as automations do; the rest at random."""

    unit: str
    replies_a_day: float
    hours: tuple[float, ...]  # weights
    sentences: tuple[float, ...]  # shares of replies with 1, 2, … sentences
    seconds: float  # of sound in a sentence, median
    spread: float  # of its logarithm
    together: float
    together_seconds: float

    @property
    def busiest(self) -> int:
        """Return the busiest hour."""
        return int(np.argmax(self.hours))

    def replies_in(self, hour: int) -> float:
        """Return how many one unit asks for in an hour of the day."""
        return self.replies_a_day * self.hours[hour] / sum(self.hours)


def day_of(kind: str, file: Path = DAYS) -> Day:
    """Return a day of days.json, or of a file like it. Raises SystemExit."""
    known: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if kind not in known or kind == "about":
        raise SystemExit(f"{file} has no {kind!r}, but {', '.join(known)}")
    return msgspec.convert(known[kind], Day)


def whole_day(day: Day, units: float, seed: int) -> Work:
    """Return 24 hours of so many."""
    chance = np.random.default_rng(seed)
    at = [
        3600.0 * hour + moments(day, units * day.replies_in(hour), 3600.0, chance)
        for hour in range(24)
    ]
    return _spoken(day, np.sort(np.concatenate(at)), chance)


def busiest(day: Day, units: float, seconds: float, seed: int) -> Work:
    """Return so many seconds of the busiest hour, or of its pace if they are more; a quarter of an
    hour is struck WARM_SECONDS after the beginning."""
    chance = np.random.default_rng(seed)
    count = units * day.replies_in(day.busiest) * seconds / 3600
    at = moments(day, count, seconds, chance, WARM_SECONDS)
    return _spoken(day, np.sort(at), chance)


def moments(
    day: Day, count: float, seconds: float, chance: np.random.Generator, quarter_at: float = 0.0
) -> Floats:
    """Return about `count` moments, if a quarter of an hour is struck first at `quarter_at`."""
    struck = np.arange(quarter_at, seconds, QUARTER)
    together = chance.poisson(count * day.together * QUARTER / seconds * len(struck))
    free = chance.uniform(0, seconds, chance.poisson(count * (1 - day.together)))
    bursts = chance.choice(struck, together) + chance.uniform(0, day.together_seconds, together)
    return np.concatenate([free, bursts])


def _spoken(day: Day, at: Floats, chance: np.random.Generator) -> Work:
    sizes = np.arange(1, len(day.sentences) + 1)
    shares = np.array(day.sentences) / sum(day.sentences)
    first = np.concatenate([[0], np.cumsum(chance.choice(sizes, len(at), p=shares))])
    total = int(first[-1])
    seconds = day.seconds * np.exp(day.spread * chance.standard_normal(total))
    frames = np.maximum(3, np.minimum(seconds, _LONGEST) / FRAME_SECONDS).astype(np.int64)
    positions = chance.integers(*_POSITIONS, total, endpoint=True)
    nowhere = np.full(len(at), -1, dtype=np.int64)
    thrown = chance.random(2 * len(at))
    return Work(at, first.astype(np.int64), frames, positions, nowhere, thrown)
