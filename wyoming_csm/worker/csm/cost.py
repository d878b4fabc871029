"""What steps and prefills cost, in seconds: measured at the start, then learned from each one."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, Self

from wyoming_csm.audio import SAMPLE_RATE, SAMPLES_PER_FRAME

FRAME_SECONDS = SAMPLES_PER_FRAME / SAMPLE_RATE

_FULL = 0.95  # of real time: steps of all listeners, and prompts, take no more
_STEP_WEIGHT = 0.1  # of the newest step
_PROMPT_SECONDS = 0.5  # over which the prompts' share is seen
_WORST = 4.0  # of a step that took far too long, as when the machine slept, no more is believed
_MEMORY = 0.9  # a prefill counts so much less with each that follows
_SPREAD = 16.0  # positions by which lengths must differ to tell what one of them costs

Cost = Callable[[int], float]  # seconds of a step for so many, or of a prefill of so many positions


class Load:
    """What steps really take, relative to what was measured at the start, and the prompts' share.

    `measured`: seconds of a step for n slots; inf where that is unknown.
    """

    def __init__(self, measured: Cost) -> None:
        self._measured = measured
        self._ratio = 1.0
        self._prompts = 0.0  # share of the time

    def cost(self, n: int) -> float:
        """Return the seconds of a step for n; 0 where they are unknown."""
        seconds = self._measured(n)
        return seconds * self._ratio if seconds < math.inf else 0.0

    def observe(self, n: int, took: float, since: float, pure: bool) -> None:
        """Learn from a step for n that took so long, with a prefill before it unless it is `pure`;
        `since` is the time since the step before it."""
        expected = self._measured(n)
        if not 0 < expected < math.inf:
            return
        if pure:
            self._ratio += _STEP_WEIGHT * (min(took / expected, _WORST) - self._ratio)
        prompt = 0.0 if pure else max(0.0, took - self.cost(n))
        faded = self._prompts * math.exp(-since / _PROMPT_SECONDS)
        self._prompts = faded + prompt / _PROMPT_SECONDS

    def fits(self, n: int) -> bool:
        """Return whether n listeners can be served in real time while new ones come as they did.

        One always can: a slow engine speaks late, but speaks.
        """
        room = (_FULL - self._prompts) * FRAME_SECONDS
        return n <= 1 or self._measured(n) * self._ratio <= room


def capacity(slots: int, measured: Cost) -> int:
    """Return how many of its slots an engine can serve in real time; one at least."""
    load = Load(measured)
    return max(n for n in range(1, slots + 1) if load.fits(n))


class Event(Protocol):
    """A mark in a device's queue of work, as torch.cuda.Event with timing."""

    def query(self) -> bool:
        """Return whether the device has come to it."""

    def elapsed_time(self, end_event: Self) -> float:
        """Return the milliseconds from this mark to a later one; the device has come to both."""


class PrefillPace:
    """How long a prefill takes: a constant, and so much a position. No GPU is waited for."""

    def __init__(self, mark: Callable[[], Event] | None = None) -> None:
        """`mark` puts an event behind the work given to a device; None: it is done on return."""
        self._mark = mark
        self._weight = 0.0
        # Weighted means of positions, seconds, and their products.
        self._n = self._s = self._nn = self._ns = 0.0
        self._each = 0.0  # seconds
        self._running: list[tuple[int, Event, Event]] = []

    def seconds(self, positions: int) -> float:
        """Return what is expected of so many positions; 0 until a prefill was made."""
        for run in [run for run in self._running if run[2].query()]:
            self._running.remove(run)
            self.observe(run[0], run[1].elapsed_time(run[2]) / 1000)
        return max(0.0, self._s + self._each * (positions - self._n))

    @contextmanager
    def measured(self, positions: int) -> Iterator[None]:
        """Measure the prefill, or its launch, that is made inside."""
        if self._mark is None:
            start = time.perf_counter()
            yield
            self.observe(positions, time.perf_counter() - start)
            return
        begin = self._mark()
        yield
        self._running.append((positions, begin, self._mark()))

    def observe(self, positions: int, seconds: float) -> None:
        """Learn from one that was made: least squares over the latest."""
        self._weight = self._weight * _MEMORY + 1
        new = 1 / self._weight
        self._n += new * (positions - self._n)
        self._s += new * (seconds - self._s)
        self._nn += new * (positions * positions - self._nn)
        self._ns += new * (positions * seconds - self._ns)
        spread = self._nn - self._n * self._n
        if spread > _SPREAD * _SPREAD:
            self._each = max(0.0, (self._ns - self._n * self._s) / spread)
