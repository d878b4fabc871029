"""What to buy for many rooms, by simulated replicas: `script/bench fleet WHAT`.

needed: the fewest GPUs, and their price, for a p99 first sound within --target and gaps in the
sound of one reply in 1 000, in the busiest hour and in the 15 s (burst) after its quarters.
sizes: the same for 10 to 100 000 homes or rooms and every card of cards.json.
day: 24 hours by the hour. peak: the busiest minutes with --replicas. zone: one of --zones is lost.
rollout: a new version, --at-once replicas at a time. weights: what HAProxy's agent-check changes.
The cards' times are computed (cards.json) until --measured gives yours, the days are assumptions
(days.json) until --days gives yours. Prints a table, then one line of JSON.
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.fleet import cards, chart, demand, plan
from benchmarks.fleet.simulate import BALANCERS, Result, Setting, simulate
from benchmarks.fleet.state import Engine, Work
from benchmarks.record import lines_of

Found = dict[str, Any]
_WEIGHTS = (("none", 0.0), ("half", 0.5), ("half", 2.0), ("all", 0.5), ("all", 2.0))  # each, s
_OF_BURST = ("replies", "p99_ms", "with_gaps_%")
_SIZED = ("p50_ms", "p99_ms", "with_gaps_%", "burst_p99_ms", "burst_with_gaps_%")


def main() -> None:
    found = found_by()
    for name, value in found.items():
        if isinstance(value, list):
            print(_table(value))
        else:
            print("\n".join(lines_of({name: value})))
    print(json.dumps(found))


def found_by(arguments: Sequence[str] | None = None) -> Found:
    """Return what a command finds, with what it was asked; the process's own command if None."""
    options = _parse(arguments)
    began = time.process_time()
    found: Found = {name: v for name, v in vars(options).items() if v and name not in ("what",)}
    found |= WHAT[options.what](options)
    found["cpu_s"] = time.process_time() - began
    return {name: v.name if isinstance(v, Path) else v for name, v in found.items()}


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.fleet",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=WHAT)
    parser.add_argument("--kind", default="city", help="of days.json: home, hotel, city")
    parser.add_argument("--units", type=float, default=1e5, help="homes or rooms (100 000)")
    parser.add_argument("--days", type=Path, default=demand.DAYS, help="a file like days.json")
    parser.add_argument("--together", type=float, help="share of replies asked for by the clock")
    parser.add_argument("--card", default="RTX 4090", help="of cards.json")
    parser.add_argument("--floor", action="store_true", help="as fast as its memory allows at all")
    parser.add_argument("--measured", type=Path, help="a record of script/bench engine, instead")
    parser.add_argument("--part", default="", help="of that record; else the first that will do")
    parser.add_argument("--slots", type=int, default=16, help="of a replica (16)")
    parser.add_argument("--balancer", choices=BALANCERS, default="leastconn")
    parser.add_argument("--one-client", action="store_true", help="no PROXY: all look like one")
    parser.add_argument("--weighed-every", type=float, default=0.5, help="s; agent-check, 0: none")
    parser.add_argument("--replicas", type=int, default=0, help="else as many as are needed")
    parser.add_argument("--spare", type=int, default=0, help="replicas more than these")
    parser.add_argument("--target", type=float, default=0.3, help="seconds to the first sound, p99")
    parser.add_argument("--price", type=float, default=1.0, help="of a GPU for an hour (1)")
    parser.add_argument("--zones", type=int, default=3)
    parser.add_argument("--back-after", type=float, default=420.0, help="a zone comes back, s")
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=0.0, help="of the peak, at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plot", type=Path, help="an SVG; needs matplotlib")
    return parser.parse_args(arguments)


def _setting(options: argparse.Namespace) -> Setting:
    if options.measured:
        by_client = not options.one_client
        engine = cards.measured(options.measured, options.part, options.slots, by_client=by_client)
    else:
        engine = _computed(options, options.card)
    replicas = options.replicas + options.spare if options.replicas else 1
    return Setting(replicas, engine, options.balancer, options.weighed_every)


def _computed(options: argparse.Namespace, card: str) -> Engine:
    by_client = not options.one_client
    return cards.computed(card, options.slots, floor=options.floor, by_client=by_client)


def _day(options: argparse.Namespace) -> demand.Day:
    day = demand.day_of(options.kind, options.days)
    return day if options.together is None else replace(day, together=options.together)


def _peak(options: argparse.Namespace) -> Work:
    longest = 60 * options.minutes or math.inf
    return plan.busy_work(_day(options), options.units, options.seed, longest)


def _sized(options: argparse.Namespace) -> Setting:
    """Return the setting with as many replicas as are asked for, or needed, and spare ones."""
    setting = _setting(options)
    if options.replicas:
        return setting
    least = plan.needed(_peak(options), setting, target=options.target).setting
    return replace(least, replicas=least.replicas + options.spare)


def needed(options: argparse.Namespace) -> Found:
    """Find how many replicas there have to be, and what they cost."""
    result = plan.needed(_peak(options), _setting(options), target=options.target)
    return {"replicas": result.setting.replicas, **_prices(options, result), **_judged(result)}


def sizes(options: argparse.Namespace) -> Found:
    """Find how many are needed for 10, 100, … units, of each card of cards.json."""
    lines, drawn = [], {}
    for card in cards.names():
        setting = replace(_setting(options), engine=_computed(options, card), replicas=1)
        counts: list[float] = []
        for units in (10**power for power in range(1, 6)):
            work = plan.busy_work(_day(options), units, options.seed)
            result = plan.needed(work, setting, target=options.target)
            count = result.setting.replicas
            counts.append(count)
            price = plan.price_of_speech(_day(options), units, count, options.price)
            lines.append(
                {
                    "card": card,
                    "units": units,
                    "replicas": count,
                    "and if a zone is lost": plan.with_a_zone_lost(count, options.zones),
                    "price of an hour of speech": price,
                    **{name: value for name, value in _judged(result).items() if name in _SIZED},
                }
            )
        drawn[card] = ([10.0**power for power in range(1, 6)], counts)
    if options.plot:
        chart.draw(options.plot, drawn, x=f"{_day(options).unit}s", y="GPUs", both_logarithmic=True)
    return {"sizes": lines}


def peak(options: argparse.Namespace) -> Found:
    """Return what the busiest minutes are like with so many."""
    return _judged(simulate(_peak(options), _sized(options)))


def day(options: argparse.Namespace) -> Found:
    """Return 24 hours by the hour."""
    work = demand.whole_day(_day(options), options.units, options.seed)
    result = simulate(work, _sized(options))
    hours = plan.minutes(result, 3600.0)
    if options.plot:
        _plot(options, hours, 3600.0, "hour of the day")
    return {
        "hours": hours,
        "replicas": result.setting.replicas,
        "hours_of_speech": plan.speech(result),
        "price_of_an_hour_of_speech": 24
        * options.price
        * result.setting.replicas
        / plan.speech(result),
        **_told(result),
    }


def zone(options: argparse.Namespace) -> Found:
    """Lose a zone in the busiest hour."""
    setting = _sized(options)
    result = plan.zone_lost(
        _day(options), options.units, setting, options.zones, options.back_after, options.seed
    )
    return _bad(options, result, 10.0)


def rollout(options: argparse.Namespace) -> Found:
    """Replace all replicas in the busiest hour."""
    setting = _sized(options)
    result = plan.rolled_out(_day(options), options.units, setting, options.at_once, options.seed)
    return _bad(options, result, 60.0)


def weights(options: argparse.Namespace) -> Found:
    """Compare plain leastconn with weights by free slots, with all load and with a part unseen."""
    work, setting = _peak(options), _sized(options)
    lines = []
    names = ("p95_ms", "other_voice_%", "refused", *_SIZED)
    for unseen in (0.0, 0.3):
        load = plan.unseen(work, unseen, setting.replicas)
        for form, every in _WEIGHTS:
            by = form if every else "half"
            one = replace(setting, balancer="leastconn", weighed_every=every, weighed_by=by)
            told = _judged(simulate(load, one))
            asked = {"unseen_%": 100 * unseen, "weights": form, "every_s": every}
            lines.append(asked | {name: told[name] for name in names})
    return {"replicas": setting.replicas, "weights": lines}


WHAT: dict[str, Callable[[argparse.Namespace], Found]] = {
    "needed": needed, "sizes": sizes, "peak": peak, "day": day, "zone": zone, "rollout": rollout,
    "weights": weights,
}  # fmt: skip


def _bad(options: argparse.Namespace, result: Result, every: float) -> Found:
    times = plan.minutes(result, every)
    if options.plot:
        _plot(options, times, 60.0, "minutes")
    first = int(plan.ZONE_LOST_AT / every) - 2
    return {
        "times": times if every >= 60 else times[first : first + 20],
        "replicas": result.setting.replicas,
        **_told(result),
    }


def _told(result: Result) -> Found:
    return result.told(*demand.WHOLE)


def _judged(result: Result) -> Found:
    burst = result.told(*demand.BURST)
    return _told(result) | {f"burst_{name}": burst[name] for name in _OF_BURST}


def _prices(options: argparse.Namespace, result: Result) -> Found:
    asked = (_day(options), options.units)
    for_speech = plan.price_of_speech(*asked, result.setting.replicas, options.price)
    return {"price_of_an_hour_of_speech": for_speech}


def _plot(options: argparse.Namespace, times: list[Found], unit: float, x: str) -> None:
    at = [time["from_s"] / unit for time in times]
    lines = {
        name: (at, [min(time[f"{name}_ms"], 3000) for time in times]) for name in ("p50", "p99")
    }
    chart.draw(
        options.plot, lines, x=x, y="first sound, ms (3 000 and more at the top)",
        bar=1000 * options.target,
    )  # fmt: skip


def _table(lines: list[Found]) -> str:
    head = "| " + " | ".join(lines[0]) + " |\n" + "|---" * len(lines[0]) + "|"
    return "\n".join(
        [head, *("| " + " | ".join(map(_cell, line.values())) + " |" for line in lines)]
    )


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


if __name__ == "__main__":
    main()
