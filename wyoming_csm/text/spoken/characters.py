"""Characters that are another way to write plain ones: full-width, circled, fractions, digits."""

# ruff: noqa: RUF001  (look-alike characters are meant)

import unicodedata
from fractions import Fraction
from re import Match

from wyoming_csm.text.spoken.rule import Rule, rule
from wyoming_csm.text.spoken.words import Words

_UNUSUAL = r"[^\x00-\x7fÀ-ɏ°€£¥§±×÷]"
_KEPT = frozenset("″′…ºª№")
_POWERS = frozenset("²³⁰¹⁴⁵⁶⁷⁸⁹⁺⁻")
_PLAIN = {
    "\u00b5": "μ", "\u2126": "Ω", "\u2013": "-", "\u2010": "-", "\u2011": "-", "\u2012": "-",
    "\u2044": "/", "\u2212": "−", "\u00a0": " ", "\u202f": " ", "\u2009": " ",
    "℃": "°C", "℉": "°F", "ℓ": "L", "㎡": "m²", "㎥": "m³", "⩾": "≥", "⩽": "≤", "≧": "≥", "≦": "≤",
    "≅": "≈", "≃": "≈", "∗": "*", "✕": "×", "✖": "×", "➕": "+", "➖": "−", "➗": "÷", "∶": ":",
    "﹪": "%",
}  # fmt: skip
_FRACTION = r"(?:(\d) ?)?([¼-¾⅐-⅞↉])"


def character_rules(words: Words) -> list[Rule]:
    """Return the rules that leave such characters as the others know them."""
    return [
        rule("characters", _FRACTION, _fraction, words, digit=False),
        rule("characters", _UNUSUAL, _character, words, digit=False),
    ]


def _fraction(found: Match[str], words: Words) -> str:
    written = unicodedata.normalize("NFKC", found[2]).replace("\u2044", "/")
    return f"{found[1]} {written}" if found[1] else written


def _character(found: Match[str], words: Words) -> str:
    char = found[0]
    if char in _PLAIN:
        return _PLAIN[char]
    if char in _POWERS:
        before = found.string[found.start() - 1 : found.start()]
        return (
            char
            if before.isalnum() or before in _POWERS or (before in ")°" and before)
            else _digit(char)
        )
    if char in _KEPT:
        return char
    if unicodedata.category(char) in ("Nd", "No", "Nl"):
        return _digit(char)
    alike = unicodedata.normalize("NFKC", char)
    return alike if alike != char and alike.isascii() and alike.isprintable() else char


def _digit(char: str) -> str:
    """Return the number that a character stands for, in plain digits."""
    if char in "⁺⁻":
        return "+" if char == "⁺" else "−"
    alike = unicodedata.normalize("NFKC", char)
    if alike != char and alike.isascii() and alike.isalpha():
        return alike
    digit = unicodedata.digit(char, None)
    if digit is not None:
        return str(digit)
    value = Fraction(unicodedata.numeric(char, 0)).limit_denominator(1000)
    return f" {value} "
