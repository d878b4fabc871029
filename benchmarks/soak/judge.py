"""What grows: slopes that no outlier bends, and the limits that they are held to."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations

import msgspec

HOUR = 3_600.0
MIB = 1024 * 1024
SHARE = 0.01  # of its memory, that a process may grow in an hour; or:
LEAST = MIB  # bytes in an hour that count as none
SLOWER = 1.2  # the last tenth's p95 by the first's
ENOUGH = 20  # measurements for a p95
_SLOWER_THAN_THE_CONTROL = f"at most {SLOWER:g} times, and as much more as the control"
_MOST = 400  # points of a series: more say the same, and take the square of the time

Points = Sequence[tuple[float, float]]  # seconds, value


class Verdict(msgspec.Struct, frozen=True):
    """One line of the judgement: what, its value, its limit. `holds`: None where the run was too
    short to say."""

    what: str
    value: str
    limit: str
    holds: bool | None


def slope(lives: Iterable[Points]) -> float:
    """Return the Theil-Sen slope in units a second: the median of the slopes between any two
    points of the same life. Raises statistics.StatisticsError where there are no two."""
    return statistics.median(
        (later - earlier) / (end - begin)
        for life in lives
        for (begin, earlier), (end, later) in combinations(_thinned(life), 2)
        if end > begin
    )


def memory(what: str, lives: Sequence[Points], least_seconds: float) -> Verdict:
    """Judge the drift of processes' memory, in bytes; `lives`: for each process its points after
    it warmed up. Only the drift of one life's floor counts: a new process begins anew."""
    long = [life for life in lives if life and life[-1][0] - life[0][0] >= least_seconds]
    limit = f"at most {100 * SHARE:g} % or {LEAST // MIB} MiB an hour"
    if not long:
        return Verdict(f"{what}: drift", "too short to say", limit, None)
    drift = slope([floor(life) for life in long]) * HOUR
    size = statistics.median(value for life in long for _, value in life)
    words = f"{drift / MIB:+.2f} MiB an hour ({100 * drift / size:+.2f} %) of {size / MIB:.1f} MiB"
    return Verdict(f"{what}: drift", words, limit, drift <= max(SHARE * size, LEAST))


def floor(life: Points, seconds: float = 300.0) -> Points:
    """Return the least of every so many seconds: what a process cannot give back. What it could,
    it holds now and then, as its allocator likes."""
    least: dict[int, tuple[float, float]] = {}
    for at, value in life:
        window = int((at - life[0][0]) // seconds)
        if window not in least or value < least[window][1]:
            least[window] = at, value
    return list(least.values())


def constant(what: str, points: Points, slack: int = 0) -> Verdict:
    """Judge a count that is the same whenever nobody is served, but for a moment's. `slack`: so
    many more may come, once."""
    values = [value for _, value in points]
    if len(values) < 6:
        return Verdict(what, "too short to say", "constant", None)
    third = len(values) // 3
    first, last = (statistics.median(part) for part in (values[:third], values[-third:]))
    growth = slope([points]) * (points[-1][0] - points[0][0])
    words = f"{first:g} at first, {last:g} at last ({min(values):g} to {max(values):g})"
    limit = f"at most {slack} more" if slack else "constant"
    return Verdict(what, words, limit, max(last - first, growth) <= slack)


def no_slower(what: str, points: Points, beside: Points) -> Verdict:
    """Judge the p95 of the last tenth by the first's. What was measured `beside` them changes with
    the machine alone, and excuses as much as it became slower itself. (A quicker machine may hide
    a slower server: what is computed for a first sound is judged for itself.)"""
    limit = _SLOWER_THAN_THE_CONTROL
    parts = [part for series in (points, beside) for part in _tenths(series)]
    if min(map(len, parts), default=0) < ENOUGH:
        return Verdict(what, "too short to say", limit, None)
    first, last, before, now = (1_000 * p95(part) for part in parts)
    words = _with_control(first, last, before, now)
    return Verdict(what, words, limit, last / first <= SLOWER * max(1.0, now / before))


def middle_no_higher(what: str, phases: Sequence[Points], unit: str) -> Verdict:
    """Judge the median of the last third by the first's, in each phase by itself: what dies in one
    costs more than what dies in another. The worst counts."""
    limit = f"at most {SLOWER:g} times"
    if not (thirds := [found for points in phases if (found := _thirds(points))]):
        return Verdict(what, "too short to say", limit, None)
    first, last = max(thirds, key=lambda one: one[1] / one[0])
    words = f"{last / first:.2f} times ({first:.0f} → {last:.0f} {unit})"
    return Verdict(what, words, limit, last <= SLOWER * first)


def middle_no_slower(
    what: str,
    phases: Sequence[Points],
    beside: Sequence[Points],
    of: Callable[[Sequence[float]], float] = statistics.median,
) -> Verdict:
    """Judge milliseconds as `middle_no_higher` does, or by something else `of` each third; those
    that were measured `beside` them excuse as much as they became more themselves."""
    limit = _SLOWER_THAN_THE_CONTROL
    thirds = [
        (mine, control)
        for points, series in zip(phases, beside, strict=True)
        if (mine := _thirds(points, of)) and (control := _thirds(series, of))
    ]
    if not thirds:
        return Verdict(what, "too short to say", limit, None)

    def times_more(one: tuple[tuple[float, float], tuple[float, float]]) -> float:
        (first, last), (before, now) = one
        return last / first / max(1.0, now / before)

    worst = max(thirds, key=times_more)
    words = _with_control(*worst[0], *worst[1])
    return Verdict(what, words, limit, times_more(worst) <= SLOWER)


def _with_control(first: float, last: float, before: float, now: float) -> str:
    words = f"{last / first:.2f} times ({first:.0f} → {last:.0f} ms), the control"
    return f"{words} {now / before:.2f} times ({before:.0f} → {now:.0f} ms)"


def none(what: str, found: Sequence[str]) -> Verdict:
    """Judge what there may be nothing of."""
    return Verdict(what, f"{len(found)}" + (f": {found[0]}" if found else ""), "none", not found)


def p95(values: Sequence[float]) -> float:
    """Return the 95th percentile."""
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def _tenths(points: Points) -> list[list[float]]:
    """Return the values of the first and of the last tenth of the time."""
    if not points:
        return [[], []]
    begin, end = points[0][0], points[-1][0]
    tenth = (end - begin) / 10
    return [
        [value for at, value in points if at <= begin + tenth],
        [value for at, value in points if at >= end - tenth],
    ]


def _thirds(
    points: Points, of: Callable[[Sequence[float]], float] = statistics.median
) -> tuple[float, float] | None:
    """Return the medians of the first and of the last third; None of too few to say."""
    values = [value for _, value in points]
    if (third := len(values) // 3) < 3:
        return None
    return of(values[:third]), of(values[-third:])


def _thinned(life: Points) -> Points:
    step = max(1, len(life) // _MOST)
    return life[::step]
