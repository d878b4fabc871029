"""Sizes, factors and powers of ten: 4m x 8m, 1920x1080, 2x, x4, 2.5e-3."""

# ruff: noqa: RUF001  (look-alike characters are meant)

import re
from re import Match

from wyoming_csm.text.spoken.english import pairs
from wyoming_csm.text.spoken.measures import START
from wyoming_csm.text.spoken.numbers import SIGN, number_pattern, said, said_sign
from wyoming_csm.text.spoken.rule import Rule, rule, text_after
from wyoming_csm.text.spoken.units import unit_name, unit_pattern
from wyoming_csm.text.spoken.words import Words

_TIMES = {"en": "times", "de": "mal", "fr": "fois", "es": "veces", "it": "volte", "nl": "keer"}


def size_rules(words: Words) -> list[Rule]:
    """Return the rules of what is multiplied; they go before units."""
    number, unit = number_pattern(words), unit_pattern()
    product = (
        rf"{START}(?P<first>{number})(?P<more>(?: ?[x×*] ?{number}){{1,3}})(?: ?(?P<unit>{unit}))?"
    )
    between = r"(?<=\d)(?P<unit> ?(?:mm|cm|m|ft|in)) ?[x×] ?(?=\d)"
    factor = rf"{START}(?P<number>{number})(?:[x×](?!\w)| [x×](?= [^\W\d]))"
    after = r"(?<=[^\W\d_] )x ?(?P<number>\d{1,3})(?![\w:]|[.,]\d)"
    mixed = r"(?<![\w.,/-])(?P<whole>\d{1,2})-(?=[1-9]/(?:[2348]|16)(?![\d/]))"  # 1-1/2
    return [
        rule("mixed", mixed, lambda f, w: f"{f['whole']} ", words, needs="-"),
        rule("power of ten", _scientific_pattern(), _scientific, words, needs="eE"),
        rule("size", product, _product, words, needs="x×*"),
        rule("size", between, lambda f, w: f"{f['unit']} {w.by} ", words, needs="x×"),
        rule("times", after, lambda f, w: f"{w.signs['×']} {f['number']}", words, needs="x"),
        rule("times", factor, _times, words, needs="x×"),
    ]


def _scientific_pattern() -> str:
    """Return a pattern of 2.5e-3 and 1e5; but 1E5 may be the name of a model."""
    power = r"(?:[eE](?P<power_sign>[-−+])|e|(?<=[.,]\d)E|(?<=[.,]\d\d)E)(?P<power>\d{1,3})"
    return (
        rf"(?P<sign>{SIGN})?{START}(?P<number>\d{{1,9}}(?:[.,]\d{{1,9}})?){power}"
        rf"(?: ?(?P<unit>{unit_pattern()}))?(?!\w)"
    )


def _scientific(found: Match[str], words: Words) -> str | None:
    name = unit_name(found["unit"], words.language) if found["unit"] else None
    if found["unit"] and not name:
        return None
    power = (
        f"{said_sign((found['power_sign'] or '').strip('+'), words)}{said(found['power'], words)}"
    )
    times = f"{words.signs['×']} {words.cardinal(10, '')} {words.signs['^']}"
    number = f"{said_sign(found['sign'], words)}{said(found['number'], words)}"
    return f"{number} {times} {power}{f' {name.several}' if name else ''}"


def _times(found: Match[str], words: Words) -> str:
    if words.language.startswith("en") and not re.match(r"[^.,;:!?]*\w", text_after(found)):
        return f"{said(found['number'], words)} X"  # zoomed in 2x
    spoken = said(found["number"], words, "f" if words.language in ("es", "it") else "m")
    joined = "" if words.language == "de" and found["number"].isdigit() else " "
    return f"{spoken}{joined}{_TIMES[words.language[:2]]}"


def _product(found: Match[str], words: Words) -> str | None:
    written = found["unit"]
    name = unit_name(written, words.language) if written else None
    numbers = [found["first"], *re.split(" ?[x×*] ?", found["more"])[1:]]
    is_sum = re.match(r" ?[=+]|[⁻⁺⁰¹²³⁴-⁹]", text_after(found)) is not None
    spaced = "×" in found["more"] or "*" in found["more"]
    if written and name is None:
        return None
    joint = (
        words.signs["×"]
        if is_sum
        or ("*" in found["more"] and not name)
        or (spaced and not name and " " in found["more"])
        else words.by
    )
    screen = all(len(number) in (3, 4) and number.isdigit() for number in numbers)
    spoken = [
        words.year(int(n)) if screen and len(n) == 4 and n[1] != "0" else said(n, words)
        for n in numbers
    ]
    if screen and words.language.startswith("en"):
        spoken = [pairs(number) for number in numbers]
    return f" {joint} ".join(spoken) + (f" {name.several}" if name else "")
