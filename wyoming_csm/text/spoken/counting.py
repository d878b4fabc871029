"""Plain numbers, fractions, ranges, ratios and powers."""

# ruff: noqa: RUF001  (look-alike characters are meant)

import re
import unicodedata
from math import gcd
from re import Match

from wyoming_csm.text.spoken.measures import OUT_OF, OVER, half
from wyoming_csm.text.spoken.numbers import SIGN, number_pattern, parts, said, said_sign, said_whole
from wyoming_csm.text.spoken.rule import (
    Rule,
    joint,
    rule,
    text_after,
    text_before,
    word_before,
)
from wyoming_csm.text.spoken.words import Words

_START = r"(?<![\w.,])"
_NOT_IN_CODE = r"(?<!\w[/-])"  # 31/31/100, te-b-1-5
_FRACTION = (
    rf"{_START}{_NOT_IN_CODE}(?P<sign>{SIGN})?(?:(?P<whole>\d{{1,4}}) )?"
    r"(?P<above>\d{1,5}) ?[/⁄] ?"
    r"(?P<below>\d{1,5})(?P<parts>st|nd|rd|th)?(?![\w/]|[.,]\d)"
)
_UNKNOWN = r"(?<![\w.,/-])(?P<above>\d{1,2})/(?P<below>[a-z])(?![\w/-])"  # 1/f
_RATIO = (
    rf"{_START}(?P<above>\d{{1,3}}(?:[.,]\d{{3}})+|\d{{1,4}}) ?: ?(?P<below>\d{{1,4}}"
    r"(?:[.,]\d{1,4})?)(?![\w:])"
)

_COUNTED = re.compile(r" (?:(?!hours)[a-z]+s|on|off|open|closed|done)\b")
_FROM = ("from", "von", "de", "da", "dal", "del", "du", "van")
_PART_OF = re.compile(r" (?:of|inch|cup|tsp|mile)")


def counting_rules(words: Words) -> list[Rule]:
    """Return the rules in their order; units, dates, times, money and codes went before."""
    number = number_pattern(words)
    powers = rf"(?:{_START}(?P<base>{number}))?(?P<power>[⁻⁺]?[⁰¹²³⁴-⁹]+|[⁻⁺])"
    ranges = (
        rf"{_START}{_NOT_IN_CODE}(?P<sign>{SIGN})?(?P<low>{number})"
        rf"(?P<joint> ?(?:-|–|—|\.\.\.|…) ?)"
        rf"(?P<high>{number})(?![\w-])"
    )
    score = rf"{_START}{_NOT_IN_CODE}(?P<above>{number})/(?P<below>\d{{1,3}})(?![\w/])"
    return [
        rule("power", powers, _power, words, digit=False, needs="⁻⁺⁰¹²³⁴⁵⁶⁷⁸⁹"),
        rule("score", score, _score, words, needs="/"),
        rule("fraction", _UNKNOWN, _over, words, needs="/"),
        rule("fraction", _FRACTION, _fraction, words, needs="/⁄", any_case=True),
        rule("ratio", _RATIO, _ratio, words, needs=":"),
        rule("range", ranges, _range, words, needs="-–—.…"),
    ]


def number_rule(words: Words) -> Rule:
    """Return the rule of every digit that is left."""
    pattern = rf"(?P<sign>{SIGN})?(?P<number>{number_pattern(words)})"
    return rule("number", pattern, _number, words)


def magnitude_rules(words: Words) -> list[Rule]:
    """Return the rule of "1.2M" views, without money; 4K and 3M are names."""
    if not words.language.startswith("en"):
        return []
    number = rf"{_START}(?P<number>\d{{1,3}}\.\d{{1,2}})(?P<short>[KkMB]|bn|mn)(?![\w/])"
    magnitude = lambda f, w: f"{said(f['number'], w)} {w.magnitudes[f['short']]}"  # noqa: E731
    return [rule("magnitude", number, magnitude, words)]


def _power(found: Match[str], words: Words) -> str:
    power = unicodedata.normalize("NFKC", found["power"]).replace("−", "-")
    base = f"{said(found['base'], words)} " if found["base"] else " "
    after = " " if text_after(found)[:1].isalnum() else ""
    if power in ("2", "3"):
        return f"{base}{words.signs['²' if power == '2' else '³']}{after}"
    sign = said_sign(power[0] if power[0] in "+-" else "", words)
    digits = power.lstrip("+-")
    number = said_whole(digits, words) if digits else ""
    return f"{base}{words.signs['^']} {sign}{number}{after}"


def _score(found: Match[str], words: Words) -> str | None:
    """Take "4.5/5", and "3/10 files", for so many out of so many."""
    above, below = found["above"], int(found["below"])
    counts = words.language.startswith("en") and _COUNTED.match(text_after(found))
    if above.isdigit() and not (counts and int(above) <= below and below not in (2, 3, 4, 8, 16)):
        return None
    return f"{said(above, words)} {OUT_OF[words.language[:2]]} {said(found['below'], words)}"


def _fraction(found: Match[str], words: Words) -> str:
    written_above, written_below, whole = found["above"], found["below"], found["whole"]
    above, below = int(written_above), int(written_below)
    if (written_above, written_below) == ("24", "7"):
        return f"{said('24', words)} {said('7', words)}"
    if above == below and not whole:
        of = "" if above == 50 else f" {OUT_OF[words.language[:2]]}"
        return f"{said(written_above, words)}{of} {said(written_below, words)}"
    sign = said_sign(found["sign"], words)
    if not (whole or sign or found["parts"]) and _is_score(above, below, found, words):
        return f"{said(written_above, words)} {OUT_OF['en']} {said(written_below, words)}"
    odd = above > 99 or (above > below > 16) or written_above[0] == "0"
    if odd or not 2 <= below <= 100:
        over = OVER[words.language[:2]]
        said_both = f"{said_whole(written_above, words)} {over} {said_whole(written_below, words)}"
        return sign + (f"{said_whole(whole, words)} {said_both}" if whole else said_both)
    fraction = words.fraction(above, below)
    if whole:
        return sign + words.mixed(int(whole), fraction)
    return sign + half(fraction, words.noun_gender(_noun(text_after(found)), "1"))


def _over(found: Match[str], words: Words) -> str:
    over = OVER[words.language[:2]]
    return f"{said_whole(found['above'], words)} {over} {found['below']}"


def _is_score(above: int, below: int, found: Match[str], words: Words) -> bool:
    """Tell whether "7/10" or "2/4" is so many out of so many: such parts of a thing are rare."""
    if not words.language.startswith("en") or _PART_OF.match(text_after(found)):
        return False
    return 0 < above < below <= 100 and (below in (10, 100) or gcd(above, below) > 1)


def _ratio(found: Match[str], words: Words) -> str:
    above, below = said(found["above"], words), said(found["below"], words)
    return f"{above} {words.ratio} {below}"


def _is_order_number(low: str, high: str) -> bool:
    """Tell "114-3941689" from a range: its parts are of other lengths, and not round."""
    return len(high) > max(6, len(low) + 2) and high.isdigit() and not high.endswith("00")


def _no_score(found: Match[str]) -> bool:
    """Tell two numbers side by side from the points of a game, which are alike in length."""
    return "." in found["joint"] or len(found["low"]) - len(found["high"]) > 1


def _range(found: Match[str], words: Words) -> str:
    low, high = parts(found["low"], words), parts(found["high"], words)
    spaced = found["joint"].startswith(" ") and found["joint"].endswith(" ")
    down = (int(low[0] or 0), low[1]) > (int(high[0] or 0), high[1])
    first = f"{said_sign(found['sign'], words)}{said(found['low'], words)}"
    last = said(found["high"], words)
    if _is_order_number(found["low"], found["high"]):
        return f"{words.digits(low[0])}, {words.digits(high[0])}"
    if re.match(r" ?=", text_after(found)) or (spaced and down):
        return f"{first} {words.minus} {last}"
    if len(found["low"]) > 1 and found["low"].startswith("0") and found["low"].isdigit():
        return f"{first}, {last}"
    if down and word_before(found).lower() not in _FROM and _no_score(found):
        return f"{first}, {last}"
    return f"{first} {joint(found, words)} {last}"


def _number(found: Match[str], words: Words) -> str:
    before, after = text_before(found)[-2:], text_after(found)
    gender = words.noun_gender(_noun(after), found["number"])
    spoken = f"{said_sign(found['sign'], words)}{said(found['number'], words, gender)}"
    left = " " if before[-1:].isalnum() or before[-1:] in ("%", "°") else ""
    return f"{left}{spoken}{' ' if after[:1].isalnum() else ''}"


def _noun(after: str) -> str:
    """Return the word after a number, "" if there is none."""
    noun = re.match(r" ([^\W\d_]+)", after)
    return noun[1] if noun else ""
