"""SSML's say-as: what can be written so that it is read as it is meant; the rest stays as it is."""

# ruff: noqa: RUF001  (look-alike characters are meant)

import re

from wyoming_csm.text.spoken.addresses import sign_name
from wyoming_csm.text.spoken.ordinals import roman_value
from wyoming_csm.text.spoken.words import words_of

_APART = frozenset({"digits", "characters", "spell-out", "verbatim", "spell", "letters"})
_GROUPS = re.compile(r"\d+|[^\W\d_]+|[^\w\s]")
_DATE = re.compile(r"\s*(\d{1,4})[./-](\d{1,2})[./-](\d{1,4})\s*")
_TOGETHER = re.compile(r"\s*(\d{4})(\d\d)(\d\d)\s*")
_REPEATED = re.compile(r"(.)\1+")
_MINUTES = re.compile(r"(\d{1,3})['′] ?(\d{1,2})[\"″]")
_ORDINAL = {"de": ".", "da": ".", "nb": ".", "nl": "e", "fr": "e", "es": "º", "it": "º", "pt": "º"}
_LARGEST_MONTH, _LARGEST_DAY = 12, 31


def say_as(text: str, interpret_as: str, form: str, language: str) -> str:
    """Return `text` so that it is read as `interpret_as` (and the format `form`) asks."""
    if interpret_as in _APART:
        return _apart(text, interpret_as == "digits", language)
    if interpret_as == "time":
        return _MINUTES.sub(r"\1 min \2 s", text)
    if interpret_as == "telephone":
        return _telephone(text)
    if interpret_as in ("cardinal", "number"):
        return str(roman_value(text.strip()) or text)
    if interpret_as == "ordinal":
        return _ordinal(text, language[:2].lower())
    if interpret_as == "date":
        return _date(text, form)
    return text


def _apart(text: str, digits: bool, language: str) -> str:
    """Write characters with blanks between, and signs by their names, if the language has them."""
    words = words_of(language)
    chars = [char for char in text if not char.isspace()]
    if words is None:
        return " ".join(chars)
    point = words.point if digits else words.dot
    return " ".join(point if char == "." else sign_name(char, words) for char in chars)


def _telephone(number: str) -> str:
    """Write digits one by one, a comma between their groups; words and "+" stay."""
    groups = [" ".join(one) if one.isdigit() else one for one in _GROUPS.findall(number)]
    said = [group for group in groups if group[0].isalnum() or group in "+*#"]
    return ", ".join(said).replace("+, ", "+")


def _ordinal(number: str, language: str) -> str:
    digits = str(roman_value(number.strip()) or number.strip())
    if not digits.isdecimal():
        return number
    if language in _ORDINAL:
        return digits + _ORDINAL[language]
    if language != "en":
        return number
    teens = digits[-2:] in ("11", "12", "13")
    return digits + ("th" if teens else {"1": "st", "2": "nd", "3": "rd"}.get(digits[-1], "th"))


def _date(date: str, form: str) -> str:
    """Write a date of three numbers as 2026-05-25, if `form` (mdy, dmy, ymd) says what is what."""
    form = _REPEATED.sub(r"\1", form)  # yyyymmdd
    found = (_TOGETHER if form == "ymd" else _DATE).fullmatch(date) or _DATE.fullmatch(date)
    if found is None or sorted(form) != ["d", "m", "y"]:
        return date
    parts = dict(zip(form, found.groups(), strict=True))
    year, month, day = parts["y"], int(parts["m"]), int(parts["d"])
    if len(year) != 4 or not (0 < month <= _LARGEST_MONTH and 0 < day <= _LARGEST_DAY):
        return date
    return f"{year}-{month:02}-{day:02}"
