"""What SSML's elements ask for: pauses, other words, letters one by one, other rates and
volumes, other voices and languages.

`Elements` follows the open elements of a text. Tags that cross each other or never end do no
harm: an end closes all that was opened inside, and what means nothing is only text.
"""

import math
import re
from dataclasses import dataclass, replace

from wyoming_csm.text.pieces import Pause, bounded
from wyoming_csm.text.say_as import say_as
from wyoming_csm.text.stream import PARAGRAPH_END, SENTENCE_END
from wyoming_csm.text.tags import Tag

DEEPEST = 64  # elements inside each other
LONGEST_PAUSE = 10.0  # seconds; what stands between two words counts as one
LONGEST_SAID_AS = 200  # characters inside say-as, and of words that `sub` replaces

_BREAKS = {"none": 0, "x-weak": 0.1, "weak": 0.25, "medium": 0.5, "strong": 0.8, "x-strong": 1.2}
_TIME = re.compile(r"\+?(\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})(ms|s)", re.I)
_WITH_LANGUAGE = frozenset(
    {"speak", "voice", "p", "s", "paragraph", "sentence", "lang", "token", "w"}
)
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8}){0,5}")
# A sentence ends there.
_APART = {
    **dict.fromkeys(("s", "sentence", "speak"), SENTENCE_END),
    **dict.fromkeys(("p", "paragraph"), PARAGRAPH_END),
}
_VOLUMES = {
    "silent": -math.inf,
    "x-soft": -12.0,
    "soft": -6.0,
    "medium": 0.0,
    "default": 0.0,
    "loud": 3.0,
    "x-loud": 6.0,
}
_LOUDEST, _SOFTEST = 6.0, -40.0  # dB
_DECIBEL = re.compile(r"([+-]?\d{1,3}(?:\.\d{1,6})?)dB", re.I)
_LEVEL = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)")  # of 100, as in SSML 1.0
_CHANGE = re.compile(r"([+-]\d{1,3}(?:\.\d{1,6})?)%?")
_RATES = {
    "x-slow": 0.5,
    "slow": 0.75,
    "medium": 1.0,
    "default": 1.0,
    "fast": 1.25,
    "x-fast": 1.75,
}
_TIMES = re.compile(r"(\d{1,3}(?:\.\d{1,6})?|\.\d{1,6})(%?)")
_MOST_TIMES = 10  # a larger number means percent


@dataclass(frozen=True)
class Manner:
    """How the text from here on is spoken."""

    gain: float = 0.0  # dB
    voice: str = ""  # its name, "" for that of the request
    rate: float = 1.0  # times the request's
    language: str = ""  # "": the text does not say it
    inner: bool = False  # the language is asked for inside of that voice's words


Spoken = str | Pause | Manner


@dataclass
class _Open:
    """An element whose end has not come."""

    name: str
    outside: Manner
    interpret_as: str = ""  # of say-as
    format: str = ""
    replaced: bool = False  # its words are: something else was said instead
    inside: str = ""  # say-as, sub: the words so far


class Elements:
    """The elements that are open at one place of a text."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._open: list[_Open] = []
        self._manner = Manner()

    def start(self, tag: Tag) -> list[Spoken]:
        """Return what the start of an element asks for; beyond DEEPEST it asks for nothing."""
        spoken: list[Spoken] = []
        if tag.name == "break":
            return [Pause(break_seconds(tag.attributes))]
        if tag.name in _APART:
            spoken.append(_APART[tag.name])
        if tag.empty:
            return [*spoken, *self._alias(tag)]
        if len(self._open) == DEEPEST:
            return spoken
        opened = _Open(tag.name, self._manner)
        self._open.append(opened)
        if tag.name == "say-as":
            opened.interpret_as = tag.attributes.get("interpret-as", "").lower()
            opened.format = tag.attributes.get("format", "").lower()
        elif tag.name == "sub" and "alias" in tag.attributes:
            opened.replaced = True
        elif tag.name == "prosody":
            spoken += self._change(self._prosody(tag.attributes))
        elif tag.name in _WITH_LANGUAGE:
            spoken += self._change(self._who(tag))
        return [*spoken, *self._alias(tag)]

    def end(self, name: str) -> list[Spoken]:
        """Return what the end of an element brings; one that is not open is nothing."""
        spoken: list[Spoken] = []
        if any(one.name == name for one in self._open):
            while True:
                closed = self._open.pop()
                spoken += self._close(closed)
                if closed.name == name:
                    break
        return [*spoken, _APART[name]] if name in _APART else spoken

    def words(self, text: str) -> str:
        """Return what of `text`, inside what is open, is spoken now."""
        for one in reversed(self._open):
            if one.replaced or one.interpret_as:
                one.inside += text
                if len(one.inside) <= LONGEST_SAID_AS:
                    return ""
                # Its end was forgotten.
                said = one.inside if one.interpret_as else one.inside[LONGEST_SAID_AS:]
                one.replaced, one.interpret_as = False, ""
                return said
        return text

    def finish(self) -> list[Spoken]:
        """Close what is open."""
        spoken: list[Spoken] = []
        while self._open:
            spoken += self._close(self._open.pop())
        return spoken

    def _alias(self, tag: Tag) -> list[Spoken]:
        return [tag.attributes["alias"]] if tag.name == "sub" and "alias" in tag.attributes else []

    def _close(self, one: _Open) -> list[Spoken]:
        spoken: list[Spoken] = []
        if one.interpret_as:
            language = self._manner.language or self._language
            said = say_as(one.inside, one.interpret_as, one.format, language)
            spoken.append(self.words(said))
        return spoken + self._change(one.outside)

    def _who(self, tag: Tag) -> Manner:
        """Return the manner with the voice or the language that an element asks for."""
        given = tag.attributes
        asked = [given.get("lang", ""), *re.split("[ ,]+", given.get("language", ""))]
        asked += re.split("[ ,]+", given.get("languages", ""))
        found = next(filter(_LANGUAGE.fullmatch, asked), "").replace("_", "-")
        voice, language, inner = self._manner.voice, self._manner.language, self._manner.inner
        if tag.name == "voice":
            voice, inner = given.get("name", ""), False
        elif found:
            inner = bool(voice)
        if found:
            own = self._language.replace("_", "-").lower()
            is_own = not voice and found.lower() in (own, own.partition("-")[0])
            language = "" if is_own else found
        return replace(self._manner, voice=voice, language=language, inner=inner)

    def _prosody(self, attributes: dict[str, str]) -> Manner:
        gain = self._manner.gain + _decibel(attributes.get("volume", ""))
        gain = gain if gain == -math.inf else min(max(gain, _SOFTEST), _LOUDEST)
        rate = bounded(self._manner.rate * _times(attributes.get("rate", "")))
        return replace(self._manner, gain=gain, rate=rate)

    def _change(self, manner: Manner) -> list[Spoken]:
        if manner == self._manner:
            return []
        self._manner = manner
        return [manner]


def break_seconds(attributes: dict[str, str]) -> float:
    """Return how long a `<break>` is; an unreadable time is a medium one."""
    found = _TIME.fullmatch(attributes.get("time", "").strip())
    if found is None:
        return _BREAKS.get(attributes.get("strength", ""), _BREAKS["medium"])
    seconds = float(found[1]) / (1000 if found[2].lower() == "ms" else 1)
    return min(seconds, LONGEST_PAUSE)


def _decibel(volume: str) -> float:
    """Read a volume: a word, +6dB, 50 (of 100), +20%; 0.0 if it is none of these."""
    volume = volume.strip().lower()
    if volume in _VOLUMES:
        return _VOLUMES[volume]
    if found := _DECIBEL.fullmatch(volume):
        return float(found[1])
    if found := _LEVEL.fullmatch(volume):
        share = float(found[1]) / 100
    elif found := _CHANGE.fullmatch(volume):
        share = 1 + float(found[1]) / 100
    else:
        return 0.0
    return 20 * math.log10(share) if share > 0 else -math.inf


def _times(rate: str) -> float:
    """Read a rate: a word, 120%, +20%, 1.2; 1.0 if it is none of these."""
    rate = rate.strip().lower()
    if rate in _RATES:
        return _RATES[rate]
    if found := _CHANGE.fullmatch(rate):
        return 1 + float(found[1]) / 100
    if found := _TIMES.fullmatch(rate):
        times = float(found[1])
        return times / 100 if found[2] or times > _MOST_TIMES else times
    return 1.0
