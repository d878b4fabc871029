"""Measures: numbers with units, also in ranges, fractions and rates."""

# ruff: noqa: RUF001, SIM905  (look-alike characters are meant; words read best as words)

import re
from re import Match

from wyoming_csm.text.spoken.numbers import SIGN, is_one, number_pattern, said, said_sign
from wyoming_csm.text.spoken.rule import Rule, joint, rule, text_after, text_before, word_before
from wyoming_csm.text.spoken.units import (
    is_surely_unit,
    is_written_alone,
    per_name,
    periods,
    unit_name,
    unit_pattern,
)
from wyoming_csm.text.spoken.words import Words

_FRACTION = re.compile(r"(?:(\d+) )?(\d+)[/⁄](\d+)")
_MAGNITUDES = {
    "en": "thousand|million|billion|trillion",
    "de": "Tausend|tausend|Millionen|Million|Milliarden|Milliarde",
    "fr": "mille|millions?|milliards?", "es": "mil|millones|millón",
    "it": "mila|milioni|milione|miliardi",
    "nl": "duizend|miljoen|miljard",
}  # fmt: skip
_OF_MILLIONS = {"fr": "de", "es": "de", "it": "di"}
# German: "mit 5 km/h" is "mit fünf Kilometern pro Stunde".
_DATIVE = frozenset("mit bei von nach seit in vor aus zu ab unter über auf".split())
_GERMAN_ONE = re.compile(r"^ein(e)? (?=\w)")
_DATIVE_ONE = frozenset("mit bei von nach seit in vor aus zu ab".split())
_HALVES = ("un medio", "un mezzo")
_FIRST_WORD = re.compile(r"^(\w+(?:er|(?<!byt)e))\b")


OVER = {"en": "over", "de": "zu", "fr": "sur", "es": "sobre", "it": "su", "nl": "op"}
_LETTERED = ("seat", "row", "port", "vitamin", "floor", "group", "class", "type", "bay")
_SEATS = frozenset(
    "seat row platform terminal sitz sitzplatz platz reihe tor gate terminal siège place rang porte"
    " asiento fila puerta andén posto fila uscita stoel rij plaats perron".split()
)
_PLACE_LETTER = re.compile(" [A-Z]$")
OUT_OF = {"en": "out of", "de": "von", "fr": "sur", "es": "de", "it": "su", "nl": "van"}
_COUNT = re.compile(r"\d ?(?:[x×]|[^\W\d_]{2,15})?\Z")
START = r"(?<![\w.,:])(?<!\d/)"
_HOUSE = r"(?<![\w.,:/-])(\d{1,4})/([A-KM-Z])(?![\w°/])"  # 12/B
_CODE_BEFORE = re.compile(r"(?:\A|[/(]|[^\d ] )[A-SU-Za-z]-\Z")  # f-4s, but T-10s, 5 V-12V


def measure_rules(words: Words) -> list[Rule]:
    """Return the rules of numbers with units; durations and sizes went before."""
    number, unit = number_pattern(words), unit_pattern()
    used = rf"{START}(?P<above>{number})/(?P<below>{number})(?= ?(?P<unit>{unit}))"
    return [
        rule("house", _HOUSE, lambda f, w: f"{said(f[1], w)} {f[2]}", words, needs="/"),
        rule("part", used, _used, words, needs="/"),
        rule("more", rf"{START}(?P<number>{number})\+ ?(?P<unit>{unit})", _more, words, needs="+"),
        rule("measure", _measure_pattern(words), _measure, words),
        rule("rate", rf"{START}(?P<number>{number})/(?P<unit>{unit})", _rate, words, needs="/"),
    ]


def hurried_rules(words: Words) -> list[Rule]:
    """Return the rules of 72F and 3x/day, as people in a hurry write; sizes go after them."""
    rules = _temperature_rules(words) if words.language.startswith("en") else []
    each = _each_period_pattern()
    return [*rules, rule("rate", each, _each_period, words, digit=False, needs="/")]


def _temperature_rules(words: Words) -> list[Rule]:
    """Return the rule of "72F" and "21C", as weather is written in a hurry."""
    number = r"\d{1,3}(?:\.\d)?"
    pattern = (
        rf"(?<![\w.,#/])(?P<number>{number}(?: ?[-–] ?{number})?)(?P<scale>[CF])(?![\w+#]|[-/.]\w)"
    )
    return [rule("temperature", pattern, _temperature, words, needs="CF")]


def _temperature(found: Match[str], words: Words) -> str | None:
    before = word_before(found)
    if before != before.lower() or before in (*words.places.split("|"), *_LETTERED):
        return None  # flat 3C
    return f"{found['number']} °{found['scale']}"


def unit_rule(words: Words) -> Rule:
    """Return the rule for units without a number."""
    pattern = rf"(?<![\w/.\-])(?:{unit_pattern()})(?!['.]\w)"
    return rule("unit", pattern, _alone, words, digit=False)


def _measure_pattern(words: Words) -> str:
    number = number_pattern(words)
    return (
        rf"(?P<sign>{SIGN})?{START}"
        rf"(?P<low>(?:\d{{1,4}} )?\d{{1,4}}[/⁄]\d{{1,4}}|{number})"
        rf"(?: ?(?:-|–|—|\.\.\.|…) ?(?P<high_sign>[-−])?(?P<high>{number}))?"
        rf"(?P<magnitude> (?:{_MAGNITUDES[words.language[:2]]})\b)?"
        rf"(?P<gap> ?-?)(?P<unit>{unit_pattern()})(?:\.(?=,| [a-z\d(]))?(?P<to> ?[-–] ?(?=\d))?"
    )


def _more(found: Match[str], words: Words) -> str | None:
    name = unit_name(found["unit"], words.language)
    return f"{said(found['number'], words)} {words.plus} {name.several}" if name else None


def _used(found: Match[str], words: Words) -> str | None:
    """Take "3.2/8 GB" and "120/500 GB" for so much out of so much, "3/4 cup" for a fraction."""
    above, below = found["above"], found["below"]
    if above.isdigit() and below.isdigit():
        if above[0] == "0":
            return None  # 030/1234567
        bytes_ = found["unit"][-1] in "Bo" and found["unit"] != "lb"
        if int(above) > int(below) or (int(above) <= 16 and not bytes_):
            return None
    return f"{said(above, words)} {OUT_OF[words.language[:2]]} {below}"


def _each_period_pattern() -> str:
    """Return a pattern of a slash between a count and a day, a week or the like: 3x/day."""
    return rf"(?<=[\wx×])/(?P<period>{'|'.join(periods())})(?!\w|/)"


def _each_period(found: Match[str], words: Words) -> str | None:
    per = per_name(found["period"], words.language)
    return f" {per}" if per and _COUNT.search(text_before(found)) else None


def _rate(found: Match[str], words: Words) -> str | None:
    per = per_name(found["unit"], words.language)
    return f"{said(found['number'], words)} {per}" if per else None


def counted(number: str, one: str, several: str, words: Words) -> str:
    """Return the number and the noun after it, which are bent for each other."""
    noun = one if is_one(number, words) else several
    no_noun = one.startswith(("por ", "per ", "pour "))  # uno por ciento
    head = said(number, words, "" if no_noun else words.gender(one) or "m")
    if words.language == "it" and head == "una" and noun[0] in "aeiou":
        return f"un'{noun}"
    if words.language in _OF_MILLIONS and number.endswith(("000000", "000.000", "000 000")):
        return f"{head} {of_millions(noun, words)}"
    return f"{head} {noun}"


def of_millions(noun: str, words: Words) -> str:
    """Return the noun as it follows a million: de, d', di."""
    of = _OF_MILLIONS.get(words.language, "")
    if words.language == "fr" and noun[0] in "aeiouéh":
        return f"d'{noun}"
    return f"{of} {noun}".strip()


def _measure(found: Match[str], words: Words) -> str | None:
    written, low, high = found["unit"], found["low"], found["high"]
    name = unit_name(written, words.language)
    glued = not found["gap"]
    after = text_after(found)
    if name is None or not is_surely_unit(written, high or low, glued, after, words):
        return None
    if (glued and written == "K" and len(low) < 4) or (
        written in ("°", "º") and after[:1] in "ªº" and after
    ):
        return None
    if len(written) == 1 and written.isupper() and _is_named(found, words):
        return None
    if re.search("/[A-Z]$", written) and re.match(r" \d", after):
        return None  # H 88°/L 67°
    if glued and len(written) == 1 and _CODE_BEFORE.search(text_before(found)):
        return None
    if found["gap"].endswith("-") and (after.startswith("-") or written == "in"):
        return None  # 3-in-1
    if found["gap"].endswith("-") and len(written) == 1 and written not in "VWL":
        return None
    if words.language == "de" and word_before(found).lower() in _DATIVE:
        name = name._replace(several=_FIRST_WORD.sub(r"\1n", name.several))
    sign = said_sign(found["sign"], words)
    part = _FRACTION.fullmatch(low)
    to = f" {words.to} " if found["to"] else ""
    if part:
        return sign + _fraction(part, name.one, name.several, words) + to
    if found["magnitude"]:
        noun = of_millions(name.several, words)
        return f"{sign}{said(low, words)}{found['magnitude']} {noun}{to}"
    if high:
        return (
            f"{sign}{said(low, words)} {joint(found, words)} "
            f"{said_sign(found['high_sign'], words)}{counted(high, name.one, name.several, words)}"
            f"{to}"
        )
    amount = counted(low, name.one, name.several, words)
    if words.language == "de" and not sign and word_before(found).lower() in _DATIVE_ONE:
        amount = _GERMAN_ONE.sub(lambda one: "einer " if one[1] else "einem ", amount)
    return sign + amount + to


def _is_named(found: Match[str], words: Words) -> bool:
    """Return whether a letter belongs to a name, as in room 5 A and gate B 5 W."""
    before = _PLACE_LETTER.sub("", text_before(found).rstrip()).rpartition(" ")[2].lower()
    return before in words.places.split("|") or before in _SEATS


def half(fraction: str, gender: str) -> str:
    """Return a half as it stands before a noun: media hora, mezzo grado, une demi heure."""
    if fraction == "un demi" and gender == "f":
        return "une demi"
    if fraction not in _HALVES or not gender:
        return fraction
    bare = fraction.removeprefix("un ")
    return f"{bare[:-1]}a" if gender == "f" else bare


def _fraction(part: Match[str], one: str, several: str, words: Words) -> str:
    above, below = int(part[2]), int(part[3])
    improper = above > 99 or above > below > 16  # 120/80 mmHg
    if improper or not 1 < below <= 100:
        joint = OVER[words.language[:2]] if improper else words.by
        head = f"{said(part[2], words)} {joint} {said(part[3], words)}"
        return f"{said(part[1], words)} {head} {several}" if part[1] else f"{head} {several}"
    fraction = words.fraction(above, below)
    if part[1]:
        return f"{words.mixed(int(part[1]), fraction)} {several}"
    return f"{half(fraction, words.gender(one))} {one}"


def _alone(found: Match[str], words: Words) -> str | None:
    written = found[0]
    if not is_written_alone(written):
        return None
    name = unit_name(written, words.language)
    if name is None:
        return None
    before = text_before(found).rstrip()
    if before.endswith("/"):
        return per_name(written, words.language) or name.several
    return name.several
