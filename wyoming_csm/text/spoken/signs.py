"""Signs that have a meaning, and slashes; in the end none is left."""

# ruff: noqa: RUF001  (look-alike characters are meant)

import re
import unicodedata
from re import Match

from wyoming_csm.text.spoken.addresses import sign_name
from wyoming_csm.text.spoken.greek import is_greek
from wyoming_csm.text.spoken.rule import Rule, rule, text_after, text_before, word_list
from wyoming_csm.text.spoken.words import Words

_TWICE = {">=": "≥", "<=": "≤", "=>": "≥", "!=": "≠", "+/-": "±", "+-": "±"}
_GRADE = r"(?<=\b[Aa]n )[AF]-(?=[\s.,;!?)]|\Z)|(?<=\b[Aa] )[BCD]-(?=[\s.,;!?)]|\Z)"  # an A- in art
_SHARP = r"(?<![\w'])(?P<key>[A-GJ])#(?!\w)"  # of music and of languages for programs
_BACKSLASH = {
    "en": "backslash", "de": "Backslash", "fr": "antislash", "es": "barra invertida",
    "it": "barra rovesciata", "nl": "backslash",
}  # fmt: skip
_PATH = r"\A/(?=\S)|(?<!\S)(?:/[\w.-]{1,40}){2,12}"  # /help, see /config/www


def sign_before_number_rules(words: Words) -> list[Rule]:
    """Return the rules of signs that are said otherwise before a number."""
    twice = rf"(?P<sign>{word_list(_TWICE)}) ?(?=[\w.−-])"
    once = (
        rf"(?<!\d)(?<!\d )(?P<sign>{word_list(words.before_numbers)}) ?(?=[\d.]|[A-Z]{{1,4}}-?\d)"
    )
    grades = [
        rule("grade", _GRADE, lambda f, w: f"{f[0][:-1]} minus", words, digit=False, needs="-")
    ]
    return [
        *(grades if words.language.startswith("en") else []),
        rule("sign", twice, lambda f, w: f" {w.signs[_TWICE[f['sign']]]} ", words, digit=False),
        rule("sign", once, lambda f, w: f" {w.before_numbers[f['sign']]} ", words),
    ]


def sign_rules(words: Words) -> list[Rule]:
    """Return the rules of what is left: each sign that means something becomes its word."""
    signs = "".join(re.escape(sign) for sign in words.signs if not sign.isalpha())
    letters = "".join(sign for sign in words.signs if sign.isalpha())  # but not in Greek words
    alone = rf"(?<![\u0370-\u03ff])[{letters}](?![\u0370-\u03ff])"
    both = r"(?P<left>(?<![^\W_])[A-Z]{1,5})/(?=[A-Z]{1,5}(?!\w))"
    sharps = [rule("sign", _SHARP, lambda f, w: f"{f['key']} sharp", words, digit=False, needs="#")]
    return [
        *(sharps if words.language.startswith("en") else []),
        rule("path", _PATH, _path, words, digit=False, needs="/"),
        rule("sign", r"(?<![\w/])~/(?=\w)", _home, words, digit=False, needs="~"),
        rule("sign", "©", lambda f, w: " copyright ", words, digit=False, needs="©"),
        rule("sign", r"\\", _backslash, words, digit=False, needs="\\"),
        rule("sign", f"[{signs}]+|{alone}", _signs, words, digit=False),
        rule("sign", r"[^\x00-\x7f\w\s]", _other_sign, words, digit=False),
        rule("slash", r"(?<!\w)and/or(?!\w)", lambda f, w: "and or", words, digit=False, needs="/"),
        rule("slash", both, lambda f, w: f"{f['left']} ", words, digit=False, needs="/"),
        rule("slash", "(?: ?[/⁄|])+ ?", _slash, words, digit=False, needs="/⁄|"),
        rule("underscore", "_+", lambda f, w: " ", words, digit=False, needs="_"),
    ]


def _path(found: Match[str], words: Words) -> str:
    return found[0].replace("/", f" {sign_name('/', words)} ")


def _home(found: Match[str], words: Words) -> str:
    return "tilde slash " if words.language.startswith("en") else "tilde "


def _backslash(found: Match[str], words: Words) -> str:
    return f" {_BACKSLASH[words.language[:2]]} "


def _other_sign(found: Match[str], words: Words) -> str | None:
    """Return Unicode's name of a sign of mathematics or money that has no word in the table."""
    if unicodedata.category(found[0]) not in ("Sm", "Sc"):
        return None
    name = unicodedata.name(found[0], "").lower()
    return f" {name.removesuffix(' sign')} " if name else None


def _slash(found: Match[str], words: Words) -> str:
    """Return a pause: "kitchen/hall" are two names, and nobody says slash."""
    return ", " if found.start() and text_after(found) else ""


def _signs(found: Match[str], words: Words) -> str | None:
    if found[0].isalpha() and found[0] not in words.sign_words and is_greek(found.string):
        return None
    before, after = text_before(found)[-1:], text_after(found)[:1]
    said = " ".join(words.signs[sign] for sign in found[0])
    left = " " if before and not before.isspace() and before not in "(\"'" else ""
    joins = ".,;:!?)\"'-" if found[0].isalpha() else ".,;:!?)\"'"
    right = " " if after and not after.isspace() and after not in joins else ""
    return f"{left}{said}{right}"


def elision_rules(words: Words) -> list[Rule]:
    """Return what Italian does to its article of one before a vowel: un'ora."""
    if words.language != "it":
        return []
    one = r"(?<!\w)(?P<one>[Uu]n)a (?=[aeiou][^\W\d_]{2})"
    impure = r"(?<!\w)(?P<one>[Uu]n) (?=(?:s[bcdfghklmnpqrtvw]|z|gn|ps)[^\W\d_])"
    first = r"(?<!\w)(?P<article>[Ll]|(?:a|da|de|ne)l?l)['’](?=primo )"  # l'1 ottobre
    return [
        rule("elision", one, lambda f, w: f"{f['one']}'", words, digit=False, needs="1"),
        rule("elision", impure, lambda f, w: f"{f['one']}o ", words, digit=False, needs="1"),
        rule("elision", first, lambda f, w: _before_first(f["article"]), words, digit=False),
    ]


def _before_first(article: str) -> str:
    return {"l": "il ", "L": "Il "}.get(article) or f"{article[:-1]} "
