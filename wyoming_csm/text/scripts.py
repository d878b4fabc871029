"""Words in letters that a voice does not know: which they are, and whose they most likely are."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

LATIN = "LATIN"

# The languages that write each script, by its name in Unicode's character names, the likeliest
# first: it is taken for all words of the script that no letter below tells apart.
LANGUAGES = {
    script: tuple(languages.split())
    for script, languages in {
        "ARABIC": "ar fa ur sd ug",
        "ARMENIAN": "hy hyw",
        "BENGALI": "bn as",
        "BOPOMOFO": "zh",
        "CJK": "zh yue hak ja",
        "CYRILLIC": "ru uk be bg mk sr kk ky tt ba cv nog mn",
        "DEVANAGARI": "hi mr ne kok",
        "ETHIOPIC": "am ti",
        "GEORGIAN": "ka",
        "GREEK": "el grc",
        "GUJARATI": "gu",
        "GURMUKHI": "pa",
        "HANGUL": "ko",
        "HEBREW": "he yi",
        "HIRAGANA": "ja",
        "KANNADA": "kn",
        "KATAKANA": "ja",
        "MALAYALAM": "ml",
        "MYANMAR": "my shn",
        "ORIYA": "or",
        "SINHALA": "si",
        "TAMIL": "ta",
        "TELUGU": "te",
        "THAI": "th",
    }.items()
}
_SAME = {"IDEOGRAPHIC": "CJK", "KATAKANA-HIRAGANA": "KATAKANA"}
# Letters that of the languages above only one has, or the last of those that are named.
_TELLING = {"be": "ўЎ", "uk": "іїєґІЇЄҐ", "mk": "ѓќѕЃЌЅ", "sr": "ђћџљњјЂЋЏЉЊЈ"} | {
    "ur": "ٹڈڑےںہ",
    "fa": "پچژگیک",
}
_WORDS = re.compile(r"\S+\s*|\s+")


class Run(NamedTuple):
    """Words side by side that one voice can speak: all runs of a text, joined, are the text.

    `strange`: the voice that the text is for lacks letters of it. `language` is then the likeliest
    of its script; "" for Latin words, and where nobody is known to write it.
    """

    text: str
    strange: bool = False
    language: str = ""


def runs(text: str, unknown: Callable[[str], str]) -> list[Run]:
    """Cut a text into runs; `unknown` returns the letters and digits of a text that its voice does
    not know."""
    if not unknown(text):
        return [Run(text)]
    found: list[Run] = []
    for word in _WORDS.findall(text):
        for run in _runs_of_word(word, unknown):
            before = found[-1] if found else None
            mute = not any(map(str.isalnum, run.text))
            if before and (mute or before[1:] == run[1:]):
                found[-1] = before._replace(text=before.text + run.text)
            elif before and not any(map(str.isalnum, before.text)):
                found[-1] = run._replace(text=before.text + run.text)
            else:
                found.append(run)
    return found


def scripts_of(language: str) -> frozenset[str]:
    """Return the scripts of a language (`ru`, `zh-TW`); all that are not known here write Latin."""
    primary = language.replace("_", "-").lower().partition("-")[0]
    found = {script for script, languages in LANGUAGES.items() if primary in languages}
    return frozenset(found or {LATIN})


def letters_outside(text: str, scripts: frozenset[str]) -> str:
    """Return the letters of a text that are neither Latin nor of one of these scripts."""
    if text.isascii():
        return ""
    known = scripts | {LATIN, ""}
    return "".join(char for char in text if char.isalpha() and script_of(char) not in known)


@lru_cache(maxsize=4096)
def script_of(char: str) -> str:
    """Return the script of a letter as Unicode's names have it: GREEK, CJK; "" of what belongs to
    the letters beside it (marks, modifiers, signs, digits)."""
    if not char.isalpha() or unicodedata.category(char) == "Lm":
        return ""
    names = unicodedata.name(char, "").removeprefix("HALFWIDTH ").removeprefix("FULLWIDTH ").split()
    script = names[0] if names else ""
    return _SAME.get(script, script)


def _runs_of_word(word: str, unknown: Callable[[str], str]) -> Iterator[Run]:
    """Cut a word where its script changes; what is no letter belongs to the letters before it."""
    script, begin = "", 0
    for at, char in enumerate(word):
        other = script_of(char)
        if other and script and other != script:
            yield _run(word[begin:at], script, unknown)
            begin = at
        script = other or script
    yield _run(word[begin:], script, unknown)


def _run(text: str, script: str, unknown: Callable[[str], str]) -> Run:
    if not unknown(text):
        return Run(text)
    telling = (code for code, letters in _TELLING.items() if not set(letters).isdisjoint(text))
    known = LANGUAGES.get(script, ("",))
    return Run(text, True, next((code for code in telling if code in known), known[0]))
