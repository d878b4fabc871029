"""Ordinals, and Roman numerals of kings and chapters."""

import re
from re import Match

from wyoming_csm.text.spoken import german
from wyoming_csm.text.spoken.rule import Rule, rule, text_after, word_before
from wyoming_csm.text.spoken.words import Words

_ROMAN = re.compile("M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_GERMAN = r"(?<![\w.,])(?P<digits>\d{1,3})(?P<ending>\.)(?= [A-ZÄÖÜa-zäöü])"
# What a German sentence may begin with in place of a list's line.
_COUNTED_IN_ORDER = re.compile(
    "[a-zäöü].*|.*(?:Stock|Etage|[OU]G|geschoss|Advent|tag|Platz|Runde|Halbzeit|Quartal|Mal)"
)
_SHORTENED = re.compile(" (?:piso|día|puesto|lugar|grado|trimestre|mes|nivel)")  # primer, tercer


def ordinal_rules(words: Words) -> list[Rule]:
    """Return the rules of ordinals; they go before units: 1st is no stone."""
    digits = r"(?:(?<![\w.,/])|(?<=(?:st|nd|rd|th)/))(?P<digits>\d{1,3}(?:,\d{3})+|\d{1,9})"
    marked = rf"{digits}(?P<ending>{words.ordinal_endings})(?!\w)"
    roman = rf"(?P<name>\b(?:{words.rulers})(?: [A-Z]\w+)?) (?P<roman>[IVX]{{1,7}})"
    after_roman = r"(?P<ending>\.(?= ?\S)|e|er|ers)?(?!\w)"
    chapter = rf"(?P<name>\b(?i:{words.chapters})) (?P<roman>[IVXLC]{{1,7}})(?!\w)"
    sequel = r"(?P<name>(?<!\w)[A-ZÀ-Þ][^\W\d_]{1,20}) (?P<roman>II|III|IV|VI{1,3}|IX)(?!\w)"
    century = r"(?<!\w)(?P<roman>[IVX]{1,6})(?:e|ème)?(?= (?:siècle|secolo))"
    written = _GERMAN if words.language == "de" else marked
    return [
        rule("ordinal", written, _ordinal, words, any_case=True),
        rule("Roman", roman + after_roman, _ruler, words, digit=False, needs="IVX"),
        rule("Roman", century, _century, words, digit=False, needs="IVX"),
        rule("Roman", chapter, _chapter, words, digit=False, needs="IVXLC"),
        rule("Roman", sequel, _chapter, words, digit=False, needs="IV"),
    ]


def _value(roman: str) -> int:
    """Return the value of a Roman numeral, 0 if it is none."""
    if not _ROMAN.fullmatch(roman):
        return 0
    values = [_VALUES[letter] for letter in roman]
    return sum(-v if v < after else v for v, after in zip(values, [*values[1:], 0], strict=True))


def _ruler(found: Match[str], words: Words) -> str | None:
    value = _value(found["roman"])
    is_pronoun = (
        found["roman"] == "I" and not found["ending"] and re.match(" [a-z]", text_after(found))
    )
    return f"{found['name']} {words.ruler(value)}" if value and not is_pronoun else None


def _century(found: Match[str], words: Words) -> str | None:
    value = _value(found["roman"])
    return words.ordinal(value, "e" if words.language == "fr" else "") if value else None


def _chapter(found: Match[str], words: Words) -> str | None:
    value = _value(found["roman"])
    return f"{found['name']} {words.cardinal(value, '')}" if value else None


def _ordinal(found: Match[str], words: Words) -> str | None:
    digits, ending = found["digits"].replace(",", ""), found["ending"].lower()
    number = int(digits)
    match words.language[:2]:
        case "en":
            right = ending == _english_ending(number)
            return words.ordinal(number, "") if right else f"{words.cardinal(number, '')} {ending}"
        case "de":
            return _german(number, word_before(found), text_after(found))
        case "es" if _SHORTENED.match(text_after(found)):
            return words.ordinal(number, "er")
    return words.ordinal(number, ending) if number else None


def _german(number: int, before: str, after: str) -> str:
    """Return an ordinal, or the number of a list's line: 1. Milch kaufen."""
    noun = after.lstrip().partition(" ")[0].rstrip(".,;:!?")
    begins = not before and not _COUNTED_IN_ORDER.fullmatch(noun)
    if begins or before.lower() in ("es", "er", "sind", "waren"):  # Es sind 3. Danach …
        return f"{german.cardinal(number)}."
    return german.ordinal_between(number, before, noun)


def _english_ending(number: int) -> str:
    if 10 <= number % 100 <= 20:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
