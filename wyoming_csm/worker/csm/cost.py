"""What steps and prefills cost, learned from each, and what there is time for: sums of seconds."""

import math
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from wyoming_csm.audio import SAMPLE_RATE, SAMPLES_PER_FRAME

FRAME_SECONDS = SAMPLES_PER_FRAME / SAMPLE_RATE
FRAMES_PER_SECOND = SAMPLE_RATE / SAMPLES_PER_FRAME
PREFILL_CHUNK = 64  # positions; beside others' frames a prompt is read in multiples of it

_FULL = 0.95  # of real time: steps of all listeners, and prompts, take no more
_STEP_WEIGHT = 0.1  # of the newest step
_PROMPT_SECONDS = 0.5  # over which the prompts' share is seen
_WORST = 4.0  # of a step that took far too long, as when the machine slept, no more is believed
_MEMORY = 0.9  # a prefill counts so much less with each that follows
_SPREAD = 16.0  # positions by which lengths must differ to tell what one of them costs
_SPARE_SECONDS = 0.005  # before a buffer is empty, for what is not foreseen; twice, if it can be
_MOST_CHUNKS = 64

Cost = Callable[[int], float]  # seconds of a step for so many, or of a prefill of so many positions


class StepPace:
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
    pace = StepPace(measured)
    return max(n for n in range(1, slots + 1) if pace.fits(n))


class PrefillPace:
    """How long a prefill takes: a constant, and so much a position. No GPU is waited for."""

    def __init__(self, mark: Callable[[], Any] | None = None) -> None:
        """`mark` puts a torch.cuda.Event behind a device's work; None: that is done on return."""
        self._mark = mark
        self._weight = 0.0
        # Weighted means of positions, seconds, and their products.
        self._n = self._s = self._nn = self._ns = 0.0
        self._each = 0.0  # seconds
        self._running: list[tuple[int, Any, Any]] = []

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


def how_many(deadlines: Sequence[float], ready: float, cost: Cost) -> int:
    """Return how many, the first so many, get a frame in the step that begins at `ready`.

    `deadlines`: when each buffer is empty, soonest first; not empty. All take part if that makes
    none late that would not be late alone. Else the most for which that is so, if the others can
    wait for a step of all after it. Else all but those that can wait for two steps of all.

    As an example: a step for n takes 10 + 6 n ms, three speak, and buffers are empty in 26, 500
    and 500 ms. A step of all takes 28 ms, one of two 22 ms: with 5 ms to spare both are too long
    for the first, alone (16 ms) it is in time, and the others then have 484 ms for a step of 28.
    So 1. Were these empty in 40 ms, they could not wait: 16 + 28 ms. So 3, one of them late.
    """
    whole = cost(len(deadlines))
    late = bisect_right(deadlines, ready + cost(1) + _SPARE_SECONDS)
    for n in range(len(deadlines), late, -1):
        if _spare(deadlines[late:], n - late, ready + cost(n), whole) >= _SPARE_SECONDS:
            return n
    return max(1, bisect_right(deadlines, ready + 2 * whole))


def slack(deadlines: Sequence[float], ready: float, cost: Cost) -> float:
    """Return the seconds from `ready` that the device can do something else, and then, as
    `how_many` says, none is late.

    As an example: a step for n takes 10 + 6 n ms, and two buffers are empty in 100 and 200 ms.
    Both in one step (22 ms) leave 78 ms. The first alone (16 ms) leaves 84 ms, and 178 ms until
    the second's step of 22 ms has to begin, of which the 16 go: 162 ms. The better of the two is
    84 ms; less two times 5 ms to spare, the slack is 74 ms. Where a chunk of a prompt takes
    30 + 6.4 ms, `longest_chunk` is 384 positions: 68.4 ms.
    """
    if not deadlines:
        return math.inf
    whole, most = cost(len(deadlines)), len(deadlines)
    best = max(_spare(deadlines, n, ready + cost(n), whole) for n in range(1, most + 1))
    return best - 2 * _SPARE_SECONDS


def longest_chunk(spare: float, cost: Cost) -> int:
    """Return how many positions can be read in `spare` seconds: some PREFILL_CHUNKs, or 0."""
    chunks = range(1, _MOST_CHUNKS + 1)
    return PREFILL_CHUNK * bisect_right(chunks, spare, key=lambda n: cost(PREFILL_CHUNK * n))


def _spare(deadlines: Sequence[float], n: int, after: float, whole: float) -> float:
    """Return the seconds to spare if the first n get their frame at `after`, and all in a step of
    `whole` seconds then; negative if one is late."""
    first = deadlines[0]
    return (first if n == len(deadlines) else min(first, deadlines[n] - whole)) - after
