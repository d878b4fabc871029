"""How a cleaned sentence is read aloud: numbers, units, dates and signs to words.

In English, German, French, Spanish, Italian and Dutch; a sentence of another language stays as
it is. No letter, digit or sign with a meaning is taken away: what no rule knows better is said by
its name or digit by digit. Everything here is linear in the length of the sentence.
"""

import re
from functools import lru_cache

from wyoming_csm.text.characters import TO
from wyoming_csm.text.spoken.abbreviations import (
    abbreviation_rules,
    before_number_rules,
    compass_rules,
    whole_day_rules,
)
from wyoming_csm.text.spoken.addresses import address_rules
from wyoming_csm.text.spoken.capitals import calm
from wyoming_csm.text.spoken.characters import character_rules
from wyoming_csm.text.spoken.codes import code_rules, model_rule
from wyoming_csm.text.spoken.counted import counted_rules
from wyoming_csm.text.spoken.counting import counting_rules, magnitude_rules, number_rule
from wyoming_csm.text.spoken.dates import date_rules
from wyoming_csm.text.spoken.durations import duration_rules
from wyoming_csm.text.spoken.german_one import one_rules
from wyoming_csm.text.spoken.marks import mark_rules
from wyoming_csm.text.spoken.measures import hurried_rules, measure_rules, unit_rule
from wyoming_csm.text.spoken.minutes import minute_rules
from wyoming_csm.text.spoken.money import money_rules
from wyoming_csm.text.spoken.ordinals import ordinal_rules
from wyoming_csm.text.spoken.rule import Change, Rule, Sentence, rule
from wyoming_csm.text.spoken.signs import elision_rules, sign_before_number_rules, sign_rules
from wyoming_csm.text.spoken.sizes import size_rules
from wyoming_csm.text.spoken.spans import span_rules
from wyoming_csm.text.spoken.symbols import ALIKE, SYMBOLS
from wyoming_csm.text.spoken.times import time_rules
from wyoming_csm.text.spoken.words import Words, words_of
from wyoming_csm.text.spoken.years import decade_rules, short_name_rules, year_rules

_COMMA = re.compile(r"(?<=[^\W\d_]),(?=[^\W\d_])")
_NO_WORDS = re.compile(f" ?[{TO}{SYMBOLS}{''.join(ALIKE)}] ?")
_BLANKS = re.compile(r" {2,}")
_BLANK_BEFORE_STOP = re.compile(r" +(?=[.,;:!?](?:\s|\Z))")


def spoken(text: str, language: str) -> str:
    """Return the words of one cleaned sentence; `language` is like en, en-GB, de_DE."""
    return explained(text, language).text


def explained(text: str, language: str) -> Sentence:
    """Return the words, and which rule changed each part."""
    sentence = Sentence(text)
    words = words_of(language)
    if words is None:
        return Sentence(_NO_WORDS.sub(", ", text).removesuffix(", "))
    if not any(map(str.isalnum, text)):
        return sentence
    sentence.apply(_characters(words))
    calm(sentence)
    sentence.apply(_rules(words))
    _tidy(sentence, text)
    return sentence


@lru_cache(maxsize=8)
def _characters(words: Words) -> tuple[Rule, ...]:
    return tuple(character_rules(words))


@lru_cache(maxsize=8)
def _rules(words: Words) -> tuple[Rule, ...]:
    return (
        rule("change", f" ?{TO} ?", lambda f, w: f" {w.to} ", words, digit=False, needs=TO),
        *before_number_rules(words),
        *address_rules(words),
        *short_name_rules(words),
        *span_rules(words),
        *date_rules(words),
        *decade_rules(words),
        *whole_day_rules(words),
        *time_rules(words),
        *counted_rules(words),
        *ordinal_rules(words),
        *sign_before_number_rules(words),
        *mark_rules(words),
        *minute_rules(words),
        *one_rules(words),
        *money_rules(words),
        *compass_rules(words),
        *hurried_rules(words),
        *duration_rules(words),
        *size_rules(words),
        *measure_rules(words),
        *year_rules(words),
        *abbreviation_rules(words),
        unit_rule(words),
        *code_rules(words),
        *counting_rules(words),
        *magnitude_rules(words),
        model_rule(words),
        number_rule(words),
        *sign_rules(words),
        *elision_rules(words),
    )


def _tidy(sentence: Sentence, written: str) -> None:
    """Leave single blanks, and a capital where the sentence began with one or with a number."""
    text = _COMMA.sub(", ", sentence.text) if sentence.changes else sentence.text
    text = _BLANK_BEFORE_STOP.sub("", _BLANKS.sub(" ", text)).strip()
    first = written.lstrip("\"'( ")[:1]
    if text and sentence.changes and not (first.islower() or first in "'\u2019"):
        begin = len(text) - len(text.lstrip("\"'("))
        text = text[:begin] + _capital(text[begin : begin + 1]) + text[begin + 1 :]
    sentence.text = text if sentence.changes else sentence.text


def _capital(char: str) -> str:
    upper = char.upper()
    return upper if len(upper) == 1 else char


__all__ = ["Change", "Sentence", "explained", "spoken"]
