"""Full stops that end no sentence: of words cut short, initials, numbers that are ordinals."""

# ruff: noqa: RUF001, SIM905  (look-alike characters are meant; tables of words read best as words)

import re

from wyoming_csm.text.spoken.abbreviations import shortened

# Words whose full stop does not end a sentence, in the languages homes speak most.
# Before a name or the rest of the sentence, whatever follows.
_ALWAYS = frozenset(
    # English
    "mr mrs ms mx dr prof rev hon st sr messrs gen col capt lt sgt cmdr gov sen rep pres supt vs "
    # German
    "hr fr dipl ing bzw evtl ggf inkl exkl bspw vgl sog insb mind zzgl abzgl zz str tel mio mrd "
    "tsd tgl abf ank zw gg pck stk tabl msp "
    # French, Spanish, Italian, Portuguese
    "mm mme mlle mgr cf env ste sra srta dra ud uds av avda ej sig sigg dott avv rag arch gent "
    # Dutch, Nordic, Polish, Czech
    "dhr mevr mw bijv ir drs ing bl kl np tzn tzw ul al tj např".split()
)
# Only before a number: "No. 5", but "No. The door is shut."
_BEFORE_NUMBER = frozenset(
    "mon tue tues wed thu thur thurs fri sat sun "
    "no nos nr núm num fig vol vols ch chap pp pag pág art sec para abs kap approx ca circa "
    "jan feb mar apr jun jul aug sep sept oct okt nov dec dez min max mín máx std sek "
    # Days and months in other languages than English, said with the number
    "mo do so di mi lun mer jeu ven sam dim jue vie sáb sab dom gio vr za zo ma wo "
    "janv févr juil déc ene abr ago dic gen mag giu lug set ott mrt".split()
)
# The same, in one language only, or before a Roman number or a size of clothes.
_BEFORE_NUMBER_IN = {
    "en": frozenset(["op", "vol"]), "de": frozenset(["gl", "gr", "kap", "op"]),
    "fr": frozenset(["chap", "op"]), "es": frozenset(["cap", "pta"]),
    "it": frozenset(["bin", "cap", "op", "sec"]), "nl": frozenset(["hfdst", "mt"]),
}  # fmt: skip
_FIRST_OF_TWO = frozenset({"max", "min"})  # "Max. temperature", "die Max. Temp."
_ARTICLE = re.compile(r"(?:\A|\b(?:the|die|der|das|den|dem|la|le|el|il|de|het))\s*\Z", re.I)
_A_LETTER = re.compile(r"\b(?:an?|vitamin|plan|plans|eine?n?|une?|un'|een)\s\Z", re.I)  # an A.
# Dotted, and still at home at the end of a sentence.
_CLOCK = frozenset({"a.m", "p.m"})
# "am 3. Oktober": a number's full stop makes it an ordinal.
_ORDINAL_DOT = frozenset("de da nb nn no fi is cs sk hu pl hr sl sr bs et lv tr eu lb fo".split())

_LAST_WORD = re.compile(r"[\w.'’-]*\Z")
_SPAN = re.compile(r"^\d{1,2}\.[-–]")
LOOKBACK = 24  # longer words are no abbreviations


class FullStops:
    """What a single full stop after a word means, in one language; see `belong_to`."""

    def __init__(self, language: str) -> None:
        """Take a `language` ("de", "en-GB"); "" is any."""
        code = re.split("[-_]", language.lower())[0]
        self._ordinals = not language or code in _ORDINAL_DOT
        self._before_number: frozenset[str] = _BEFORE_NUMBER_IN.get(code, frozenset())
        self._before_any_number = _BEFORE_NUMBER | self._before_number | shortened(code)
        self._german = code == "de"

    def belong_to(self, before: str, following: str) -> bool:
        """Tell whether the full stop after the last word of `before`, its last LOOKBACK characters,
        belongs to that word, where this letter or digit comes next."""
        found = _LAST_WORD.search(before)
        word = found[0] if found else ""
        word = _SPAN.sub("", word) if before[-1:].isdecimal() else word  # 3.-5. Mai
        if word.isdecimal():
            only_a_number = not any(map(str.isalnum, before[: -len(word)]))  # "1. Milk"
            return len(word) <= 2 and (self._ordinals or only_a_number)
        if len(word) == 1:  # an initial, or half of "z. B.", but not "21 °C."
            degrees = before.endswith("°" + word)
            thing = _A_LETTER.search(before[:-1]) is not None  # "an A.", not "J. Smith"
            return word != "I" and not degrees and not thing and (word.isupper() or word.islower())
        folded = word.lower()
        if "." in word:
            parts = folded.split(".")
            return folded not in _CLOCK and all(p.isalpha() and len(p) <= 3 for p in parts)
        if folded in _FIRST_OF_TWO and following.isupper():
            rest = before[: -len(word)]
            return (self._german and word.islower()) or _ARTICLE.search(rest) is not None
        if folded in _ALWAYS:
            return True
        if following.isdecimal():
            return folded in self._before_any_number or folded.endswith("str")  # Hauptstr. 5
        return folded in self._before_number and following in "IVXLMS"
