"""Words whose full stop does not end a sentence, in the languages homes speak most."""

# ruff: noqa: RUF001, SIM905  (tables of words read best as words)

import re

# Before a name or the rest of the sentence, whatever follows.
_ALWAYS = frozenset(
    # English
    "mr mrs ms mx dr prof rev hon st sr messrs gen col capt lt sgt cmdr gov sen rep pres supt vs "
    # German
    "hr fr dipl ing bzw evtl ggf inkl exkl bspw vgl sog insb mind zzgl abzgl zz str tel "
    # French, Spanish, Italian, Portuguese
    "mm mme mlle mgr cf env ste sra srta dra ud uds av avda ej sig sigg dott avv rag arch gent "
    # Dutch, Nordic, Polish, Czech
    "dhr mevr mw bijv ir drs ing bl kl np tzn tzw ul al tj např".split()
)
# Only before a number: "No. 5", but "No. The door is shut."
_BEFORE_NUMBER = frozenset(
    "no nr núm num fig vol vols ch chap pp pag pág art sec para abs kap approx ca circa "
    "jan feb mar apr jun jul aug sep sept oct okt nov dec dez min max".split()
)
# Dotted, and still at home at the end of a sentence.
_CLOCK = frozenset({"a.m", "p.m"})
# "am 3. Oktober": a number's full stop makes it an ordinal.
_ORDINAL_DOT = frozenset("de da nb nn no fi is cs sk hu pl hr sl sr bs et lv tr eu lb fo".split())

_LAST_WORD = re.compile(r"[\w.'’-]*\Z")
LOOKBACK = 24  # longer words are no abbreviations


def ordinals_with_a_dot(language: str) -> bool:
    """Tell whether "3." means "third" in that language; an unknown one ("") counts as such."""
    return not language or re.split("[-_]", language.lower())[0] in _ORDINAL_DOT


def is_abbreviation(before: str, following: str, *, ordinals: bool) -> bool:
    """Tell whether the full stop between `before` and `following` belongs to a word.

    `before` may begin in the middle of a sentence; its last LOOKBACK characters count.
    `following` is a letter or digit.
    """
    found = _LAST_WORD.search(before[-LOOKBACK:])
    word = found[0] if found else ""
    if word.isdecimal():
        only_a_number = not any(map(str.isalnum, before[: -len(word)]))  # "1. Milk"
        return len(word) <= 2 and (ordinals or only_a_number)
    if len(word) == 1:  # an initial, or half of "z. B.", but not "21 °C."
        degrees = before.endswith("°" + word)
        return word != "I" and not degrees and (word.isupper() or word.islower())
    folded = word.lower()
    if "." in word:
        parts = folded.split(".")
        return folded not in _CLOCK and all(p.isalpha() and len(p) <= 3 for p in parts)
    return folded in _ALWAYS or (folded in _BEFORE_NUMBER and following.isdecimal())
