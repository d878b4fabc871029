"""A rule turns what its pattern finds into words; rules follow one another over one sentence."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from re import Match
from typing import NamedTuple

from wyoming_csm.text.spoken.words import Words

LETTER = "[^\\W\\d_²³¹⁰⁴-⁹]"  # \w also takes digits above the line
LETTER_OR_DIGIT = "[^\\W_²³¹⁰⁴-⁹]"


class Rule(NamedTuple):
    """`speak` returns the words for a match, None to leave it as it is.

    A sentence without a digit, if the rule asks for one, or without any of the characters that it
    needs, is passed over.
    """

    name: str
    pattern: re.Pattern[str]
    speak: Callable[[Match[str], Words], str | None]
    words: Words
    digit: bool
    needs: frozenset[str]


def rule(
    name: str,
    pattern: str,
    speak: Callable[[Match[str], Words], str | None],
    words: Words,
    *,
    digit: bool = True,
    needs: str = "",
    any_case: bool = False,
) -> Rule:
    """Make a rule of a pattern, with `any_case` for small and capital letters alike."""
    compiled = re.compile(pattern, re.I if any_case else 0)
    return Rule(name, compiled, speak, words, digit, frozenset(needs))


class Change(NamedTuple):
    """What a rule made of a part."""

    rule: str
    before: str
    after: str


@dataclass
class Sentence:
    """A sentence on its way to words, and what was changed in it."""

    text: str
    changes: list[Change] = field(default_factory=list)

    def apply(self, rules: Iterable[Rule]) -> None:
        """Apply the rules, each to the whole of what the one before left."""
        present = frozenset(self.text)
        has_digit = True
        for each in rules:
            if each.needs and each.needs.isdisjoint(present):
                continue
            if each.digit and not (has_digit := has_digit and _DIGIT(self.text) is not None):
                continue
            self.text = each.pattern.sub(self._recorder(each), self.text)

    def _recorder(self, each: Rule) -> Callable[[Match[str]], str]:
        def replace(match: Match[str]) -> str:
            words = each.speak(match, each.words)
            if words is None or words == match[0]:
                return match[0]
            self.changes.append(Change(each.name, match[0], words))
            return words

        return replace


_DIGIT = re.compile("[0-9]").search


def word_list(words: Iterable[str]) -> str:
    """Return a pattern of literal words, the longest first."""
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


def word_before(found: Match[str]) -> str:
    """Return the word before a match, "" if there is none."""
    before = text_before(found).rstrip()
    word = _LAST_WORD.search(before)
    return word[0] if word else ""


_SIGHT = 40  # characters
_LAST_WORD = re.compile(r"\w+\Z")


_BETWEEN = frozenset(["between", "zwischen", "entre", "tra", "fra", "tussen"])


_TO_AFTER = {"fr": ("du", "au"), "es": ("del", "al"), "it": ("dal", "al")}


def to_after(before: str, words: Words, to: str = "") -> str:
    """Return the word for `to` after the word before a range."""
    article, joined = _TO_AFTER.get(words.language, ("", ""))
    return joined if article and before == article else to or words.to


def joint(found: Match[str], words: Words) -> str:
    """Return the word between two numbers: from 18 to 22, between 18 and 22, del 18 al 22."""
    before = word_before(found).lower()
    return words.and_ if before in _BETWEEN else to_after(before, words)


def text_before(found: Match[str]) -> str:
    """Return what stands before a match, as far as a rule may look: a long text costs no more."""
    return found.string[max(0, found.start() - _SIGHT) : found.start()]


def text_after(found: Match[str]) -> str:
    """Return what follows a match, as far as a rule may look."""
    return found.string[found.end() : found.end() + _SIGHT]


def stop_after(found: Match[str]) -> str:
    """Return the full stop that was a match's last character, if the sentence ends with it."""
    return "." if found[0].endswith(".") and not text_after(found).strip() else ""
