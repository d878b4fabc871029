"""Who gets a frame by when buffers are empty: cost.py's rules once more, on a replica's arrays."""

from benchmarks.fleet.state import Fleet, Floats
from wyoming_csm.worker.csm.cost import FRAME_SECONDS

SPARE = 0.005  # seconds, as in cost.py


def deadline(f: Fleet, r: int, s: int) -> float:
    """Return when a slot's buffer is empty, as `Scheduler` counts it."""
    flying = f.flying[r, s]
    if flying == 0:
        return float(f.due[r, s])
    before = f.empty_at[f.owner[r, s]] + FRAME_SECONDS * (flying - 1)
    return float(max(f.offset[r] + f.work[r, s], before) + FRAME_SECONDS)


def sort_deadlines(f: Fleet, r: int) -> int:
    """Write the deadlines of those that speak into `scratch`, the soonest first; return how many
    they are."""
    count = 0
    for s in range(f.sentence.shape[1]):
        if f.sentence[r, s] < 0 or f.unread[r, s] > 0:
            continue
        value, at = deadline(f, r, s), count
        while at > 0 and f.scratch[at - 1] > value:
            f.scratch[at] = f.scratch[at - 1]
            at -= 1
        f.scratch[at] = value
        count += 1
    return count


def to_spare(lines: Floats, skip: int, count: int, n: int, after: float, whole: float) -> float:
    """Return cost.py's `_spare` of the deadlines from `skip` on."""
    first = lines[skip]
    if n < count - skip:
        first = min(first, lines[skip + n] - whole)
    return float(first - after)


def how_many(f: Fleet, count: int, ready: float, step: Floats) -> int:
    """Return cost.py's `how_many` of the deadlines in `scratch`."""
    lines, whole, late = f.scratch, step[count], 0
    while late < count and lines[late] <= ready + step[1] + SPARE:
        late += 1
    for n in range(count, late, -1):
        if to_spare(lines, late, count, n - late, ready + step[n], whole) >= SPARE:
            return n
    near = 0
    while near < count and lines[near] <= ready + 2 * whole:
        near += 1
    return max(1, near)
