"""Durations: 1h 30min, 1h05, 2 u 20 min, and what the Dutch say for 1,5 uur."""

import re
from itertools import pairwise
from re import Match

from wyoming_csm.text.spoken.measures import START, counted
from wyoming_csm.text.spoken.rule import Rule, rule
from wyoming_csm.text.spoken.units import unit_name
from wyoming_csm.text.spoken.words import Words

_TIME_UNITS = {
    "d": "d", "h": "h", "hr": "h", "hrs": "h", "std": "h", "min": "min", "mins": "min", "m": "min",
    "sec": "s", "sek": "s", "s": "s", "u": "h", "g": "d", "j": "d", "t": "d",
}  # fmt: skip
_HALVES = r"(?<![\w.,-])(?P<number>\d),5 (?=(?:uur|jaar)\b)"


def duration_rules(words: Words) -> list[Rule]:
    """Return the rules of durations; they go before units."""
    step = rf"\d{{1,4}} ?(?:{'|'.join(_TIME_UNITS)}|(?-i:w))(?![^\W\d])"  # W is watt
    durations = rf"{START}{step}(?: ?,? ?{step}){{1,4}}(?!\w)|{START}\d{{1,2}} ?h ?[0-5]\d(?![\w:])"
    rules = [rule("duration", durations, _duration, words, any_case=True)]
    if words.language == "nl":
        rules.append(rule("halves", _HALVES, _dutch_halves, words, needs=","))
    return rules


def _dutch_halves(found: Match[str], words: Words) -> str:
    """Return een half uur, anderhalf uur, tweeënhalf uur."""
    whole = int(found["number"])
    if whole < 2:
        return "anderhalf " if whole else "een half "
    return f"{words.cardinal(whole, '')}{'ën' if whole in (2, 3) else 'en'}half "


def _duration(found: Match[str], words: Words) -> str | None:
    steps = re.findall(r"(\d+) ?([a-z]*)", found[0], re.I)
    said_steps = []
    shorts = [
        _TIME_UNITS.get(unit.lower(), unit or ("min" if at else ""))
        for at, (_, unit) in enumerate(steps)
    ]
    if not _are_descending(shorts) or _are_meters(steps, shorts):
        return None
    for (number, unit), short in zip(steps, shorts, strict=True):
        if words.language[:2] in ("en", "es", "it") and unit.lower() in ("j", "t", "u", "g"):
            return None
        name = unit_name(short, words.language)
        if name is None:
            return None
        said_steps.append(counted(str(int(number)), name.one, name.several, words))
    return " ".join(said_steps)


def _are_descending(units: list[str]) -> bool:
    """Tell one duration, in hours and minutes, from a list of several."""
    order = ["wdhms".find(unit[:1]) for unit in units]
    return all(above < below for above, below in pairwise(order))


def _are_meters(steps: list[tuple[str, str]], units: list[str]) -> bool:
    """Return whether an m does not stand for minutes, after hours or before seconds."""
    bare = [unit for _, unit in steps].index("m") if ("m" in (u for _, u in steps)) else -1
    return bare >= 0 and "h" not in units[:bare][-1:] and "s" not in units[bare + 1 :][:1]
