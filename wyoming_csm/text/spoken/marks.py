"""Feet and inches, minutes and seconds: 5' x 7', 2x4" wood, a 27" screen, 2'30"."""

# ruff: noqa: RUF001  (look-alike characters are meant)

import re
from functools import lru_cache
from re import Match

from wyoming_csm.text.spoken.rule import Rule, rule, text_after, word_before
from wyoming_csm.text.spoken.units import unit_name
from wyoming_csm.text.spoken.words import Words

_NUMBER = r"\d{1,4}(?:[.,]\d{1,2})?"
_SIZE = (
    rf"(?<![\w.,'\"])(?P<first>{_NUMBER})(?P<mark>['′\"″]?) ?[x×] ?(?P<last>{_NUMBER})"
    r"(?P<last_mark>['′\"″])(?!\w)"
)
_ARC = (  # 48° 51' 24" N
    r"(?<![\w.,])(?P<degrees>\d{1,3}) ?° ?(?P<minutes>[0-5]?\d(?:[.,]\d+)?) ?['′]"
    r"(?: ?(?P<seconds>[0-5]?\d(?:[.,]\d+)?) ?(?:[\"″]|''))?(?: ?(?P<point>[NSEWO])(?!\w))?"
)
_FEET = r"(?<![\w'.])(?P<feet>\d{1,2})['′] ?(?P<inches>\d{1,2})[\"″]"
_LENGTH = r"(?<![\w'.])(?P<feet>\d{1,3})['′](?= (?:long|tall|wide|high|deep)\b)"
_INCHES = r"(?<![\w.,\"'′])(?P<inches>\d{1,3}(?:[.,]\d+)?)(?P<mark>[″\"])(?!\w)"
_EXTRA_TIME = r"(?<![\w.,'])(?P<minutes>\d{2,3})['′] ?(?=\+ ?\d)"
_MINUTES_AND_SECONDS = r"(?<![\w.,'])(?P<minutes>\d{1,3})['′] ?(?P<seconds>[0-5]?\d)(?:[\"″]|'')"
_AFTER_HOURS = r"(?<=\dh\d\d)['′]"  # 2h55'
_MINUTES = r"(?<![\w.,'])(?P<minutes>\d{1,3})['′](?=[\s,.;:!?)]|\Z)"
# Marks that stand where no inches or minutes are.
_QUOTES = {
    '"': re.compile(r'(?<!\d)"'),
    "'": re.compile(r"(?<!\w)'(?=\w)"),
}
_DETERMINERS = ("a", "an", "the", "my", "your", "our", "new")
_THING = re.compile(
    r" (?!(?:and|or|of|by|to|from|in|on|at|is|are|was|per|more|less|today|yesterday|tonight"
    r"|tomorrow|this|last|next|for|with|the|a|above|below|deep|wide|long|tall|high|thick|now|so"
    r"|but|than|during|over|since|expected|possible|fell|across)\b)\w"  # 3" pipe
)


def mark_rules(words: Words) -> list[Rule]:
    """Return the rules of marks after numbers; in English one is feet, elsewhere minutes."""
    size = rule("size", _SIZE, _size, words, needs="'′\"″")
    extra = rule("minutes", _EXTRA_TIME, _minutes, words, needs="+")
    inches = rule("inches", _INCHES, _inches, words, needs='"″')
    arc = rule("arc", _ARC, _arc, words, needs="°")
    if words.language.startswith("en"):
        return [
            arc,
            rule("feet", _FEET, _feet, words, needs="'′"),
            size,
            rule("feet", _LENGTH, lambda f, w: f"{f['feet']} ft", words, needs="'′"),
            extra,
            inches,
        ]
    return [
        arc,
        size,
        rule("minutes", _AFTER_HOURS, lambda f, w: "", words, needs="'′"),
        rule("minutes", _MINUTES_AND_SECONDS, _minutes_and_seconds, words, needs="'′"),
        extra,
        rule("minutes", _MINUTES, _minutes, words, needs="'′"),
        inches,
    ]


def _size(found: Match[str], words: Words) -> str | None:
    first, last, mark = found["first"], found["last"], found["last_mark"]
    if found["mark"] not in ("", mark) or (not found["mark"] and _is_quoted(found.string, mark)):
        return None
    name = unit_name("ft" if mark in "'′" else "in", words.language)
    assert name is not None
    if words.language.startswith("en") and _THING.match(text_after(found)):
        return f"{first} {words.by} {last} {name.one}"
    each = f" {name.several}" if found["mark"] else ""
    return f"{first}{each} {words.by} {last} {name.several}"


def _arc(found: Match[str], words: Words) -> str:
    seconds = f" {found['seconds']} s" if found["seconds"] else ""
    point = f" {words.compass.get(found['point'], found['point'])}" if found["point"] else ""
    return f"{found['degrees']}° {found['minutes']} min{seconds}{point}"


def _feet(found: Match[str], words: Words) -> str:
    inches = found["inches"]
    return f"{found['feet']} ft {inches} {'inch' if inches == '1' else 'inches'}"


def _minutes_and_seconds(found: Match[str], words: Words) -> str:
    return f"{found['minutes']} min {found['seconds']} s"


def _minutes(found: Match[str], words: Words) -> str | None:
    return None if _is_quoted(found.string, "'") else f"{found['minutes']} min"


@lru_cache(maxsize=16)
def _is_quoted(text: str, mark: str) -> bool:
    """Return whether a mark may end what another began."""
    return mark in _QUOTES and _QUOTES[mark].search(text) is not None


def _inches(found: Match[str], words: Words) -> str | None:
    """Take a mark for inches, unless it may end what another began."""
    if _is_quoted(found.string, found["mark"]):
        return None
    after = text_after(found)
    if re.match(" ?[x×]", after):
        return f"{found['inches']} in"
    name = unit_name("in", words.language)
    assert name is not None
    if words.language == "nl":
        return f"{found['inches']} {name.one}"  # 27 inch
    a_thing = word_before(found).lower() in _DETERMINERS or _THING.match(after)
    one = found["inches"] == "1" or (words.language.startswith("en") and a_thing)
    return f"{found['inches']} {name.one if one else name.several}"
