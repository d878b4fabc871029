"""SSML's say-as: what can be written so that it is read as it is meant; the rest stays as it is."""

import re

_APART = frozenset({"digits", "characters", "spell-out", "verbatim", "spell", "letters"})
_GROUPS = re.compile(r"\d+|[^\W\d_]+|[^\w\s]")
_DATE = re.compile(r"\s*(\d{1,4})[./-](\d{1,2})[./-](\d{1,4})\s*")
_ORDINAL = {"de": ".", "da": ".", "nb": ".", "nl": "e", "fr": "e", "es": "º", "it": "º", "pt": "º"}
_LARGEST_MONTH, _LARGEST_DAY = 12, 31


def say_as(text: str, interpret_as: str, form: str, language: str) -> str:
    """Return `text` so that it is read as `interpret_as` (and the format `form`) asks."""
    if interpret_as in _APART:
        return " ".join(char for char in text if not char.isspace())
    if interpret_as == "telephone":
        return _telephone(text)
    if interpret_as == "ordinal":
        return _ordinal(text, language[:2].lower())
    if interpret_as == "date":
        return _date(text, form)
    return text


def _telephone(number: str) -> str:
    """Write digits one by one, a comma between their groups; words and "+" stay."""
    groups = [" ".join(one) if one.isdigit() else one for one in _GROUPS.findall(number)]
    said = [group for group in groups if group[0].isalnum() or group in "+*#"]
    return ", ".join(said).replace("+, ", "+")


def _ordinal(number: str, language: str) -> str:
    if not number.strip().isdecimal():
        return number
    digits = number.strip()
    if language in _ORDINAL:
        return digits + _ORDINAL[language]
    if language != "en":
        return number
    teens = digits[-2:] in ("11", "12", "13")
    return digits + ("th" if teens else {"1": "st", "2": "nd", "3": "rd"}.get(digits[-1], "th"))


def _date(date: str, form: str) -> str:
    """Write a date of three numbers as 2026-05-25, if `form` (mdy, dmy, ymd) says what is what."""
    found = _DATE.fullmatch(date)
    if found is None or sorted(form) != ["d", "m", "y"]:
        return date
    parts = dict(zip(form, found.groups(), strict=True))
    year, month, day = parts["y"], int(parts["m"]), int(parts["d"])
    if len(year) != 4 or not (0 < month <= _LARGEST_MONTH and 0 < day <= _LARGEST_DAY):
        return date
    return f"{year}-{month:02}-{day:02}"
