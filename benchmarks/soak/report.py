"""What a soak found: its verdicts, for people, as JSON and as charts."""

import asyncio
import datetime
import platform
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.soak import judge
from benchmarks.soak.charts import Curves, charts
from benchmarks.soak.found import Soak
from benchmarks.soak.judge import MIB, Points, Verdict
from benchmarks.soak.logged import kinds
from benchmarks.soak.series import AtRest
from wyoming_csm import __version__

ROOT = Path(__file__).parents[2]
_BEREAVED = 25.0  # seconds after a child died or hung, in which what it had may be lost, by:
_BY_ITS_DEATH = r"\S+ (speak|stream|half_close|whole|live): Refused: (cut: |.*\b%s: its process )"
# What is the same at each rest, and how many more may come, once: pools have their last threads
# only when all others are busy.
_COUNTS = (("descriptors", 0), ("deleted", 0), ("threads", 3))
_ENOUGH = 3_600.0  # seconds of a soak that say everything
_LEAST_LIFE = 900.0  # seconds of a life, after its warm-up, that say how it drifts
_CHILDREN = (("csm", "CSM's child"), ("system", "system voice's child"))


def verdicts(soak: Soak) -> list[Verdict]:
    """Judge all that may not grow, and what went wrong."""
    rests = soak.warm_rests
    # The control's are of one kind: the middle of two kinds would jump from one to the other.
    system = [one for one in soak.firsts if one.engine == "system"]

    def points(name: str, of: str = "") -> Points:
        return [(one.at, getattr(getattr(one, of) if of else one, name)) for one in rests]

    front = [points("resident", "front")], [points("allocated", "front")]
    found = [
        judge.memory("front, resident", front[0], _LEAST_LIFE),
        judge.memory("front, allocated", front[1], _LEAST_LIFE),
        *(
            judge.memory(f"{title}, {kind}", soak.lives(engine, kind), _LEAST_LIFE)
            for engine, title in _CHILDREN
            for kind in ("resident", "allocated")
        ),
        judge.memory("data folder", [points("data_bytes")], _LEAST_LIFE),
        *(
            judge.constant(f"front: {name}", points(name, "front"), slack)
            for name, slack in _COUNTS
        ),
        *(
            judge.constant(f"{title}: {name}", soak.longest_life(engine, name), slack)
            for engine, title in _CHILDREN
            for name, slack in _COUNTS
        ),
        *(judge.constant(name, points(name)) for name in ("tasks", "connections", "temporary")),
        *(_first_sound(soak, engine) for engine in ("system", "csm")),
        judge.middle_no_slower(
            "first sound in the crowd: p95, last third by first",
            soak.phases(soak.heard),
            soak.phases([(first.at, first.control * 1_000) for first in system]),
            judge.p95,
        ),
        *(_computing(soak, engine) for engine in ("system", "csm")),
        judge.middle_no_slower(
            "front's computing a visit, last third by first",
            _a_visit(soak, lambda rest: rest.front.cpu * 1_000),
            soak.phases([(first.at, first.control_computing * 1_000) for first in system]),
        ),
        judge.middle_no_higher(
            "log a visit, last third by first", _a_visit(soak, lambda rest: rest.log_bytes), "bytes"
        ),
        judge.none("log lines that nobody expected", kinds(soak.log)[1]),
        judge.none("owed and not given, no child having died", unexplained(soak)),
    ]
    left = [soak.cut] if soak.cut else []
    if soak.exit_code != 0:
        left.append(f"exit code {soak.exit_code}")
    return [*found, judge.none("faults at the end", left)]


def unexplained(soak: Soak) -> list[str]:
    """Return what visitors did not get that had nothing to do with a child's death: who wanted
    speech is told of it, or cut off over HTTP."""
    return [
        f"{at / 60:.1f} min: {why}"
        for at, why in soak.failures
        if not any(
            re.match(_BY_ITS_DEATH % ("csm" if died < soak.turn else "system"), why)
            for died in soak.died_at
            if 0 <= at - died <= _BEREAVED
        )
    ]


def _first_sound(soak: Soak, engine: str) -> Verdict:
    firsts = [one for one in soak.firsts if one.engine == engine and one.at >= soak.warm]
    return judge.no_slower(
        f"first sound, {engine}: p95, last tenth by first",
        [(one.at, one.seconds) for one in firsts],
        [(one.at, one.control) for one in firsts],
    )


def _computing(soak: Soak, engine: str) -> Verdict:
    firsts = [one for one in soak.firsts if one.engine == engine]
    return judge.middle_no_slower(
        f"computing for a first sound, {engine}: last third by first",
        soak.phases([(one.at, one.computing * 1_000) for one in firsts]),
        soak.phases([(one.at, one.control_computing * 1_000) for one in firsts]),
    )


def _a_visit(soak: Soak, total: Callable[[AtRest], float]) -> list[Points]:
    return soak.phases(
        [
            (later.at, (total(later) - total(one)) / max(1, later.visits - one.visits))
            for one, later in pairwise(soak.rests)
        ]
    )


def concluded(soak: Soak, soaking: Coroutine[Any, Any, None], folder: Path) -> bool:
    """Soak, and `conclude` in that folder; with what there is where it fails or is interrupted,
    which is raised again."""
    try:
        asyncio.run(soaking)
    finally:
        good = conclude(soak, folder / "soak")
    return good


def conclude(soak: Soak, base: Path) -> bool:
    """Write base.json, base.md and base.svg, print the second; return if all limits hold."""
    judged = verdicts(soak)
    today = datetime.date.today().isoformat()
    record = {
        "date": today,
        "version": __version__,
        "python": platform.python_version(),
        "verdicts": judged,
        "soak": {**_rounded(msgspec.to_builtins(soak)), "log": []},
        "log": kinds(soak.log)[0],
        "unexpected": kinds(soak.log)[1][:100],
    }
    base.parent.mkdir(parents=True, exist_ok=True)
    base.with_suffix(".json").write_bytes(msgspec.json.encode(record) + b"\n")
    base.with_suffix(".svg").write_text(charts(f"A soak, {today}", panels(soak)), encoding="utf-8")
    page = for_people(soak, judged, today)
    base.with_suffix(".md").write_text(page, encoding="utf-8")
    print(page)
    enough = (True,) if soak.seconds >= _ENOUGH else (True, None)
    return all(verdict.holds in enough for verdict in judged)


def for_people(soak: Soak, judged: Sequence[Verdict], today: str) -> str:
    """Return the report's page."""
    unjudged = "**not judged**" if soak.seconds >= _ENOUGH else "-"
    says = {True: "holds", False: "**does not hold**", None: unjudged}
    counts, unexpected = kinds(soak.log)
    lines = [
        f"# {today}, a soak of {soak.seconds / 3_600:.2g} h",
        "",
        f"wyoming-csm {__version__}, Python {platform.python_version()}; `script/soak`.",
        f"{sum(soak.visits.values())} visits; {len(soak.failures)} did not get all that they"
        f" were owed; {len(soak.died_at)} times a child died or hung.",
        f"What is judged begins after {soak.warm / 60:.0f} minutes.",
        "",
        "| what | measured | limit | |",
        "|---|---|---|---|",
        *(f"| {one.what} | {one.value} | {one.limit} | {says[one.holds]} |" for one in judged),
        *_listed("Visits", soak.visits),
        *_listed("Trouble", soak.trouble),
        *_listed("Log lines", counts),
    ]
    if unexpected:
        lines += [
            "",
            "## Log lines that nobody expected",
            "",
            *(f"    {x}" for x in unexpected[:40]),
        ]
    if missing := unexplained(soak):
        lines += ["", "## Owed and not given", "", *(f"    {line}" for line in missing[:40])]
    return "\n".join(lines) + "\n"


def panels(soak: Soak) -> list[tuple[str, Curves]]:
    """Return what is drawn: each chart's label and curves."""

    def of(name: str, *holders: str, unit: float = 1) -> dict[str, Points]:
        return {
            holder: [
                (rest.at, getattr(one, name) / unit)
                for rest in soak.rests
                if (one := getattr(rest, holder)) is not None
            ]
            for holder in holders
        }

    def counts(*names: str) -> dict[str, Points]:
        return {name: [(rest.at, getattr(rest, name)) for rest in soak.rests] for name in names}

    return [
        ("memory allocated by the front, MiB", of("allocated", "front", unit=MIB)),
        ("memory allocated by the children, MiB", of("allocated", "csm", "system", unit=MIB)),
        ("the front's descriptors and threads", {
            name: of(name, "front")["front"] for name in ("descriptors", "threads")
        }),
        ("tasks, temporary files, connections", counts("tasks", "temporary", "connections")),
        ("first sound, ms: p95 of each round", {
            "system": p95s((f.at, f.seconds) for f in soak.firsts if f.engine == "system"),
            "csm": p95s((f.at, f.seconds) for f in soak.firsts if f.engine == "csm"),
            "control": p95s((f.at, f.control) for f in soak.firsts),
        }),
        ("computing for a first sound, ms: p95 of each round", {
            "system": p95s((f.at, f.computing) for f in soak.firsts if f.engine == "system"),
            "csm": p95s((f.at, f.computing) for f in soak.firsts if f.engine == "csm"),
            "control": p95s((f.at, f.control_computing) for f in soak.firsts),
        }),
        ("first sound in the crowd, ms: p95 of 2 minutes", {
            "any": p95s(((at, ms / 1_000) for at, ms in soak.heard), 120.0),
        }),
    ]  # fmt: skip


def p95s(points: Iterable[tuple[float, float]], seconds: float = 60.0) -> Points:
    """Return the p95, in ms, of every stretch of so many seconds that has enough."""
    found = defaultdict(list)
    for at, value in points:
        found[int(at // seconds)].append(value * 1_000)
    return [(n * seconds, judge.p95(values)) for n, values in found.items() if len(values) > 3]


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list) else value


def _listed(title: str, counts: Mapping[str, int]) -> list[str]:
    lines = (f"    {number:6} {name}" for name, number in Counter(counts).most_common())
    return ["", f"## {title}", "", *lines]
