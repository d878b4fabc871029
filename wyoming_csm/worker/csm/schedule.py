"""How many step together, how long a prompt may be heard, how many fit: pure sums of seconds."""

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence

from wyoming_csm.audio import SAMPLE_RATE, SAMPLES_PER_FRAME

FRAME_SECONDS = SAMPLES_PER_FRAME / SAMPLE_RATE
PIECE = 64  # positions; while others speak a prompt is heard in multiples of it

_FULL = 0.95  # of real time: steps of all listeners, and prompts, take no more
_SPARE_SECONDS = 0.005  # before a listener runs dry, for what is not foreseen; twice, if it can be
_MOST_PIECES = 64
_STEP_WEIGHT = 0.1  # of the newest step
_PROMPT_SECONDS = 0.5  # over which the prompts' share is seen
_WORST = 4.0  # of a step that took far too long, as when the machine slept, no more is believed

Cost = Callable[[int], float]  # seconds of a step for so many, or of a prefill of so many positions


class Load:
    """What steps really take, relative to what was measured at the start, and the prompts' share.

    `measured`: seconds of a step for n slots; inf if nobody knows.
    """

    def __init__(self, measured: Cost) -> None:
        self._measured = measured
        self._ratio = 1.0
        self._prompts = 0.0  # share of the time

    def cost(self, n: int) -> float:
        """Seconds of a step for n; 0 if nobody knows."""
        seconds = self._measured(n)
        return seconds * self._ratio if seconds < math.inf else 0.0

    def observe(self, n: int, took: float, since: float, pure: bool) -> None:
        """A step for n took so long, with a prefill before it unless it is `pure`; `since` is the
        time since the step before it."""
        expected = self._measured(n)
        if not 0 < expected < math.inf:
            return
        if pure:
            self._ratio += _STEP_WEIGHT * (min(took / expected, _WORST) - self._ratio)
        prompt = 0.0 if pure else max(0.0, took - self.cost(n))
        faded = self._prompts * math.exp(-since / _PROMPT_SECONDS)
        self._prompts = faded + prompt / _PROMPT_SECONDS

    def fits(self, n: int) -> bool:
        """Whether n listeners can be kept in real time while new ones come as they did. One
        always can: a slow engine speaks late, but speaks."""
        room = (_FULL - self._prompts) * FRAME_SECONDS
        return n <= 1 or self._measured(n) * self._ratio <= room


def capacity(slots: int, measured: Cost) -> int:
    """How many of its slots an engine can really hold in real time; one at least."""
    load = Load(measured)
    return max(n for n in range(1, slots + 1) if load.fits(n))


def how_many(dues: Sequence[float], ready: float, cost: Cost) -> int:
    """How many of those who speak step together at the time `ready`: the first so many.

    `dues`: when each runs dry, soonest first; not empty. All step if nobody is late by that who
    would not be late alone. Else the most for which that is so, if the others can wait for a step
    of all after it. Else all but those who can wait for two steps of all.
    """
    whole = cost(len(dues))
    late = bisect_right(dues, ready + cost(1) + _SPARE_SECONDS)
    for n in range(len(dues), late, -1):
        if _spare(dues[late:], n - late, ready + cost(n), whole) >= _SPARE_SECONDS:
            return n
    return max(1, bisect_right(dues, ready + 2 * whole))


def slack(dues: Sequence[float], ready: float, cost: Cost) -> float:
    """How long from `ready` the device can do something else before `how_many` is asked, and
    nobody is late."""
    if not dues:
        return math.inf
    whole = cost(len(dues))
    best = max(_spare(dues, n, ready + cost(n), whole) for n in range(1, len(dues) + 1))
    return best - 2 * _SPARE_SECONDS


def _spare(dues: Sequence[float], n: int, after: float, whole: float) -> float:
    """Seconds to spare if the first n get their frame at `after`, and all in a step of `whole`
    seconds then; negative if somebody is late."""
    return (dues[0] if n == len(dues) else min(dues[0], dues[n] - whole)) - after


def longest_piece(spare: float, cost: Cost) -> int:
    """How many positions of a prompt can be heard in `spare` seconds: some PIECEs, or 0."""
    pieces = range(1, _MOST_PIECES + 1)
    return PIECE * bisect_right(pieces, spare, key=lambda n: cost(PIECE * n))
