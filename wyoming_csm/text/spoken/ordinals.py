"""Ordinals, and Roman numerals of kings and chapters."""

# ruff: noqa: RUF001  (look-alike characters are meant)

import re
from re import Match

from wyoming_csm.text.spoken import german
from wyoming_csm.text.spoken.rule import Rule, rule, text_after, text_before, to_after, word_before
from wyoming_csm.text.spoken.words import Words

_ROMAN = re.compile("M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
_KINDS = re.compile("typ|tipo|clas|klas", re.I)  # what has letters rather than numbers
_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_GERMAN = r"(?<![\w.,])(?P<digits>\d{1,3})(?P<ending>\.)(?= [A-ZÄÖÜa-zäöü])"
_GERMAN_SPAN = (
    r"(?<![\w.,])(?P<first>\d{1,3})\. ?(?P<joint>[-–/]) ?(?P<last>\d{1,3})\.(?= [A-ZÄÖÜa-zäöü])"
)
_BEFORE_FIRST = re.compile(r"(\w+) \d{1,3}\Z")
_BEFORE_DATIVE = re.compile(
    r"\b(?:in|an|auf|aus|bei|mit|nach|seit|von|vor|zu|während|unter|über|neben) der \Z", re.I
)
# What a German sentence may begin with in place of a list's line.
_COUNTED_IN_ORDER = re.compile(
    "[a-zäöü].*|.*(?:Stock|Etage|[OU]G|geschoss|Advent|tag|Platz|Runde|Halbzeit|Quartal|Mal)"
)
_SHORTENED = re.compile(" (?:piso|día|puesto|lugar|grado|trimestre|mes|nivel)")  # primer, tercer


def ordinal_rules(words: Words) -> list[Rule]:
    """Return the rules of ordinals; they go before units: 1st is no stone."""
    digits = r"(?:(?<![\w.,/])|(?<=(?:st|nd|rd|th)/))(?P<digits>\d{1,3}(?:,\d{3})+|\d{1,9})"
    marked = rf"{digits}(?P<ending>{words.ordinal_endings})(?!\w)"
    roman = rf"(?P<name>\b(?i:{words.rulers})(?: [A-Z]\w+)?) (?P<roman>[IVX]{{1,7}})"
    after_roman = r"(?P<ending>\.(?= ?\S)|e|er|ers)?(?!\w)"
    chapter = rf"(?P<name>\b(?i:{words.chapters})) (?P<roman>[IVXLC]{{1,7}})(?!\w)"
    sequel = r"(?P<name>(?<!\w)[A-ZÀ-Þ][^\W\d_]{1,20}) (?P<roman>II|III|IV|VI{1,3}|IX)(?!\w)"
    century = r"(?<!\w)(?P<roman>[IVX]{1,6})(?:e|ème)?(?= (?:siècle|secolo))"
    written = _GERMAN if words.language == "de" else marked
    to = rf"(?=\d{{1,3}}(?:{words.ordinal_endings})(?!\w))"
    span = rf"(?<=\d)(?P<mark>{words.ordinal_endings}|°) ?[-–] ?{to}"
    spans = rule("ordinals", span, _span, words, needs="-–")
    if words.language == "de":
        spans = rule("ordinals", _GERMAN_SPAN, _german_span, words, needs=".")
    return [
        spans,
        rule("ordinal", written, _ordinal, words, any_case=True),
        rule("Roman", roman + after_roman, _ruler, words, digit=False, needs="IVX"),
        rule("Roman", century, _century, words, digit=False, needs="IVX"),
        rule("Roman", chapter, _chapter, words, digit=False, needs="IVXLC"),
        rule("Roman", sequel, _chapter, words, digit=False, needs="IV"),
    ]


def roman_value(roman: str) -> int:
    """Return the value of a Roman numeral, 0 if it is none."""
    if not _ROMAN.fullmatch(roman):
        return 0
    values = [_VALUES[letter] for letter in roman]
    return sum(-v if v < after else v for v, after in zip(values, [*values[1:], 0], strict=True))


def _ruler(found: Match[str], words: Words) -> str | None:
    value = roman_value(found["roman"])
    is_pronoun = (
        found["roman"] == "I" and not found["ending"] and re.match(" [a-z]", text_after(found))
    )
    return f"{found['name']} {words.ruler(value)}" if value and not is_pronoun else None


def _century(found: Match[str], words: Words) -> str | None:
    value = roman_value(found["roman"])
    return words.ordinal(value, "e" if words.language == "fr" else "") if value else None


def _chapter(found: Match[str], words: Words) -> str | None:
    value = roman_value(found["roman"])
    name = found["name"]
    if found["roman"] in "CLX" and (found["roman"] != "X" or _KINDS.match(name)):
        return None  # USB type C, appendix C
    if name.endswith("."):
        long = words.abbreviations.get(name.lower()) or words.abbreviations[f"{name.lower()} "]
        name = long.capitalize() if name[0].isupper() else long
    return f"{name} {words.cardinal(value, '')}" if value else None


def _ordinal(found: Match[str], words: Words) -> str | None:
    digits, ending = found["digits"].replace(",", ""), found["ending"].lower()
    number = int(digits)
    match words.language[:2]:
        case "en":
            right = ending == _english_ending(number)
            return words.ordinal(number, "") if right else f"{words.cardinal(number, '')} {ending}"
        case "de":
            return _german(number, found)
        case "es" if _SHORTENED.match(text_after(found)):
            return words.ordinal(number, "er")
    return words.ordinal(number, ending) if number else None


def _german(number: int, found: Match[str]) -> str:
    """Return an ordinal, or the number of a list's line: 1. Milch, 2. Brot."""
    before, noun = _bending(found), _noun(found)
    text = text_before(found)
    listed = number == 1 or not text.strip() or f"{number - 1}. " in text
    begins = not before and listed and not _COUNTED_IN_ORDER.fullmatch(noun)
    if begins or before.lower() in ("es", "er", "sind", "waren"):  # Es sind 3. Danach …
        return f"{german.cardinal(number)}."
    return german.ordinal_between(number, before, noun)


def _german_span(found: Match[str], words: Words) -> str:
    noun, before = _noun(found), _bending(found)
    first, last = (german.ordinal_between(int(found[n]), before, noun) for n in ("first", "last"))
    return f"{first} {words.and_ if found['joint'] == '/' else words.to} {last}"


def _noun(found: Match[str]) -> str:
    """Return the word after a German ordinal."""
    return text_after(found).lstrip().partition(" ")[0].rstrip(".,;:!?")


def _bending(found: Match[str]) -> str:
    """Return the word before a German ordinal by which that is bent: in der, auf der are dem."""
    before = word_before(found)
    dative = before.lower() == "der" and _BEFORE_DATIVE.search(text_before(found))
    return "dem" if dative else before


def _span(found: Match[str], words: Words) -> str:
    """Leave the mark, where the degree sign stands for º, and say the dash: du 1er au 3e."""
    before = _BEFORE_FIRST.search(text_before(found))
    to = to_after(before[1].lower() if before else "", words)
    return f"{found['mark'].replace('°', 'º')} {to} "


def _english_ending(number: int) -> str:
    if 10 <= number % 100 <= 20:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
