"""How many step together, and how long a prompt may be read: pure sums of seconds."""

import math
from bisect import bisect_right
from collections.abc import Sequence

from wyoming_csm.worker.csm.cost import Cost

PIECE = 64  # positions; while others speak a prompt is heard in multiples of it

_SPARE_SECONDS = 0.005  # before a listener runs dry, for what is not foreseen; twice, if it can be
_MOST_PIECES = 64


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
