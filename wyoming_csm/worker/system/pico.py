"""SVOX Pico: six languages in a small library, and the text it can be trusted with.

Pico obeys markup (`<genfile file="…">` writes files, `<play>` reads them), stops at NUL, hangs
or falls silent on very long words, and passes over letters it does not know: `pico_texts` gives
it none of these. It holds Python's lock while it works, 15 ms for each second of sound.
"""

import re
import textwrap
import unicodedata
from collections.abc import Iterator
from typing import Any

from wyoming_csm.audio import Samples, from_pcm, resample, to_pcm, without_silence
from wyoming_csm.errors import EngineError

SAMPLE_RATE = 16_000
_LONGEST_TEXT = 300  # characters at once: 0.3 s of work
_LONGEST_WORD = 30  # 60 digits are silence, 250 accented letters never end
_LONGEST_OF_LETTERS = 70  # a German number: 70 letters of any kind take 0.3 s
_ALPHABET = "cp1252"  # the letters Pico knows
# Brings each voice to about -17 dB, as espeak-ng; at 1.0 all of them clip.
_VOLUMES = {"en-US": 0.4, "en-GB": 0.4, "de-DE": 0.4, "es-ES": 0.4, "fr-FR": 0.4, "it-IT": 0.5}
_LESS_THAN = {"de": "kleiner als", "es": "menor que", "fr": "inférieur à", "it": "minore di"}
_PLAIN = str.maketrans(
    dict.fromkeys("\u2018\u2019\u00b4`\u02bb\u02bc", "'")  # quotation marks
    | {"\u201c": '"', "\u201d": '"', "\u201e": '"', "\u2013": ", ", "\u2014": ", "}  # and dashes
    | {"\u00ad": "", "\u00a0": " ", "™": ""}  # the hyphen that may be, the space that may not break
    | {"ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "\u0131": "i"}  # what has no mark to take off
)
_QUIET = 0.01
_LEAD_SECONDS, _END_SECONDS = 0.15, 0.3  # of silence around a text; Pico leaves up to a second


class Pico:
    """The library, loaded. Raises ImportError if it cannot be."""

    def __init__(self) -> None:
        import py_nanotts

        self._nanotts: Any = py_nanotts.NanoTTS()

    def say(self, text: str, language: str, rate: float = 1.0) -> Iterator[bytes]:
        """Make the sound as 24 kHz mono s16le, so many times (0.3 to 3) as fast as usual.

        `language` is like en-US. Raises EngineError."""
        for fragment in pico_texts(text, language):
            yield to_pcm(resample(self._speak(fragment, language, rate), SAMPLE_RATE))

    def _speak(self, text: str, language: str, speed: float) -> Samples:
        try:
            pcm: bytes = self._nanotts.speak(
                text,
                voice=language,
                speed=None if speed == 1.0 else speed,
                volume=_VOLUMES[language],
            )
        except (RuntimeError, ValueError) as error:
            raise EngineError(f"Pico: {error}") from error
        return without_silence(from_pcm(pcm), SAMPLE_RATE, _QUIET, _LEAD_SECONDS, _END_SECONDS)


def unknown(text: str) -> str:
    """Return the letters and digits that Pico does not know."""
    plain = unicodedata.normalize("NFC", text).translate(_PLAIN)
    return "".join(c for c in plain if c.isalnum() and not _known(c))


def pico_texts(text: str, language: str) -> list[str]:
    """Turn `text` into what Pico may have: short fragments of known letters, without markup and
    endless words."""
    plain = unicodedata.normalize("NFC", text).translate(_PLAIN)
    plain = re.sub(r"\.{2,}|…", ", ", plain)
    plain = re.sub(r"([^\w\s])\1+", r"\1", plain)  # Pico would name each mark
    plain = "".join(_known(character) or " " for character in plain)
    # After the line above, which turns full-width signs into plain ones.
    plain = plain.replace("<", f" {_LESS_THAN.get(language[:2], 'less than')} ")
    words = " ".join(_bounded(word) for word in plain.split())
    fragments = textwrap.wrap(words, _LONGEST_TEXT)
    return [fragment for fragment in fragments if any(c.isalnum() for c in fragment)]


def _bounded(word: str) -> str:
    """Return the word, with blanks in it where it is too long for Pico."""
    longest = _LONGEST_OF_LETTERS if word.strip(".,;:!?\"'").isalpha() else _LONGEST_WORD
    return re.sub(rf"(\S{{{longest}}})(?=\S)", r"\1 ", word)


def _known(character: str) -> str:
    """Return the character, or the letter without its mark, if Pico knows it; else ""."""
    apart = unicodedata.normalize("NFKD", character).replace("\u2044", "/")  # also fractions
    for candidate in (character, apart):
        known = candidate.encode(_ALPHABET, "ignore").decode(_ALPHABET)
        if known and known.isprintable():
            return known
    return ""
