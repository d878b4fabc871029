"""hibari: US English by a small network in a wheel, and the text it can be trusted with.

It takes `[word](/phonemes/)` for markup, raises at numbers of 37 digits, needs a gigabyte for 3 000
characters without a stop, and passes over signs that it does not know: `hibari_texts` gives it none
of these.
"""

# ruff: noqa: RUF001  (look-alike characters are the subject)

import gzip
import os
import re
import sys
import unicodedata
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from wyoming_csm.audio import SAMPLE_RATE, Samples, to_pcm, without_silence
from wyoming_csm.errors import EngineError
from wyoming_csm.worker.system.further_voices import FURTHER

_LONGEST_TEXT = 200  # characters at once: 0.1 s of work, and some 60 MB while it lasts
_LONGEST_WORD = 30
_GAIN = 2.07  # makes it as loud as Pico: -19.6 LUFS instead of -26
_LOUDEST = 0.98  # of a sample
_QUIET = 0.001  # around a sentence it is silent down to 1e-6
_LEAD_SECONDS, _END_SECONDS = 0.03, 0.3  # of silence before and after; it makes 0.3 and 0.45

_PLAIN = (
    str.maketrans(
        "\u2018\u2019\u00b4`\u02bb\u02bc\u201c\u201d\u201e\u00ab\u00bb", "'" * 6 + '"' * 5
    )
    | str.maketrans("\u2212\u2010\u2011\u03bc\u00ba\u1e9e", "---\u00b5\u00b0ß")
    | str.maketrans("ÐŊÈËÙÛÝ", "ðŋèëùûý")  # it knows the small ones
    | dict.fromkeys(map(ord, "[](){}"), ", ")
    | {0x2126: " ohm ", 0x3A9: " ohm ", 0x2030: " per mille ", 0xAD: ""}
    # Signs that it passes over where they do not stand between words.
    | str.maketrans({"<": " less than ", ">": " greater than ", "=": " equals ", "~": " about "})
    | str.maketrans({"*": " times ", "\\": " backslash "})
)
_MONEY = {"$": "dollars", "£": "pounds", "€": "euros", "¥": "yen", "₹": "rupees", "₩": "won"}
_SAID = set("¢%&@#+^|_/°§±×÷½¼¾²³µ©™®→").union(_MONEY)  # signs that it says, or rightly does not
_STOPS = set(".,;:!?…—–-'\"")
_LETTERS = set("ßæœøþðłđıŋÆŒØÞŁĐ")  # that are no others with a mark

_SIGNS = "[" + "".join(_MONEY) + "]"
_MONEY_BEHIND = re.compile(rf"(\d[\d,.]*) ?({_SIGNS})(?! ?\d)")  # it wants it before the number
_MONEY_ALONE = re.compile(rf"{_SIGNS}(?! ?\d)")
_DECIMAL_COMMA = re.compile(rf"(?<![\d,])(\d+),(\d{{1,2}})(?= ?(?:[%°]|{_SIGNS}))")
_LIST_COMMA = re.compile(r"(?<=\d),(?=\d)(?!\d{3}(?!\d))")  # no thousands
_MINUS = re.compile(r"(?<=\d) - ?(?=\d)")
_LONG_NUMBER = re.compile(r"\d[\d,]{15,}|\d{10,}|(?<![\d.,:/-])0\d+(?![\d:/-]|\.\d)")
_SLASH = re.compile(r"(?<=[^\W\d_])/(?=[^\W\d_])(?<!km/)")  # passed over, but in its own km/h
_COMMAS = re.compile(r"(?:\s*,)+(?=\s|$)")
_FADE = 120  # samples, 5 ms
_MARKS = re.compile(r"[.!?;:,—] ")


class Hibari:
    """The network and its dictionaries, loaded. Raises ImportError or EngineError if they cannot
    be.

    `models`: the folder where fetched voices are; each is loaded when it first speaks, in 0.3 s.
    """

    def __init__(self, models: Path = Path()) -> None:
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # onnxruntime reports to its maker otherwise
        with _as_engine_error():
            self._hibari = _imported()
            own = self._hibari.Hibari(threads=1)  # one thread: none that spins
        self._loaded: dict[str, Any] = {"en-US": own}
        self._models = models
        for _ in self.say("A zyx.", "en-US"):  # reads all dictionaries
            pass

    def say(self, text: str, language: str, rate: float = 1.0) -> Iterator[bytes]:
        """Make the sound as 24 kHz mono s16le, so many times (0.5 to 2) as fast as usual.

        `language`: en-US, or the name of a voice that was fetched. Raises EngineError.

        The same text always sounds the same.
        """
        voice = self._loaded.get(language) or self._load(language)
        for fragment in hibari_texts(text):
            with _as_engine_error():
                sentences = voice.phonemize(fragment)
            for phonemes in sentences:
                yield to_pcm(self._speak(voice, phonemes, rate))

    def _load(self, name: str) -> Any:
        """Load a fetched voice; those of one country share its dictionaries."""
        tags = {one.name: one.tag for one in FURTHER}
        alike = (one for known, one in self._loaded.items() if tags.get(known, known) == tags[name])
        path = next(one.path(self._models) for one in FURTHER if one.name == name)
        known = next(alike, None)
        with _as_engine_error():
            self._loaded[name] = self._hibari.Hibari(
                voice=name, model=str(path), threads=1, g2p=known and known.g2p
            )
        return self._loaded[name]

    def _speak(self, voice: Any, phonemes: str, speed: float) -> Samples:
        with _as_engine_error():
            made: Samples = voice.from_phonemes(
                phonemes, speed=speed, seed=zlib.crc32(phonemes.encode())
            )
        samples = without_silence(made, SAMPLE_RATE, _QUIET, _LEAD_SECONDS, _END_SECONDS)
        fade = min(_FADE, len(samples))  # a lone vowel may stop without dying away
        samples[len(samples) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
        loudest = float(np.abs(samples).max(initial=0.0))
        return samples * np.float32(min(_GAIN, _LOUDEST / max(loudest, _QUIET)))


def _imported() -> Any:
    """Import it without scipy, and let it read its dictionaries with msgspec: a third less to load.

    With scipy, which other engines bring, it would take 0.2 s longer for 1 ms a sentence, and sound
    another way. It is pinned to a release: this is about its insides. Raises ImportError.
    """
    hidden = {name: sys.modules.get(name) for name in ("scipy", "scipy.fft")}
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: it is not here
    try:
        import hibari
        import hibari.g2p
    finally:
        for name, module in hidden.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
    vars(hibari.g2p)["_load_json"] = _read_json
    return hibari


def _read_json(name: str) -> Any:
    """Read one of its files."""
    import hibari.g2p

    data = Path(hibari.g2p.ASSETS, name).read_bytes()
    return msgspec.json.decode(gzip.decompress(data) if name.endswith(".gz") else data)


@contextmanager
def _as_engine_error() -> Generator[None]:
    """Name what failed, without its words: they may be the text's."""
    try:
        yield
    except ImportError:
        raise
    except Exception as error:  # its grammar and onnxruntime may raise anything
        raise EngineError(f"hibari failed: {type(error).__name__}") from None


def unknown(text: str) -> str:
    """Return the letters and digits that hibari does not know."""
    plain = unicodedata.normalize("NFC", text).translate(_PLAIN)
    return "".join(c for c in plain if c.isalnum() and not _said(c))


def hibari_texts(text: str) -> list[str]:
    """Turn `text` into what hibari may have: short fragments of known letters, digits and stops,
    signs as words, without brackets and endless words or numbers."""
    plain = unicodedata.normalize("NFC", text).translate(_PLAIN)
    plain = "".join(map(_said, plain))
    plain = _DECIMAL_COMMA.sub(r"\1.\2", plain)
    plain = _LIST_COMMA.sub(", ", plain)
    plain = _MONEY_BEHIND.sub(r"\2\1", plain)
    plain = _MONEY_ALONE.sub(lambda sign: f" {_MONEY[sign[0]]} ", plain)
    plain = _MINUS.sub(" minus ", plain)
    plain = _LONG_NUMBER.sub(lambda number: " ".join(number[0].replace(",", "")), plain)
    plain = _COMMAS.sub(",", _SLASH.sub(" slash ", plain)).lstrip(" ,")
    plain = re.sub(rf"(\S{{{_LONGEST_WORD}}})(?=\S)", r"\1 ", plain)
    fragments = _cut(" ".join(plain.split()))
    return [fragment for fragment in fragments if any(map(str.isalnum, fragment))]


def _cut(text: str) -> Iterator[str]:
    """Cut a long text at its stops, else between words."""
    while len(text) > _LONGEST_TEXT:
        head = text[:_LONGEST_TEXT]
        stops = [mark.end() for mark in _MARKS.finditer(head)]
        end = stops[-1] if stops else head.rfind(" ") + 1
        yield head[:end].strip()
        text = text[end:]
    yield text


def _said(character: str) -> str:
    """Return what hibari says for a character as it stands, or as it is called; "" or a blank if
    there is nothing to say."""
    if character.isascii() and (character.isalnum() or character in _STOPS):
        return character
    if character.isspace():
        return " "
    if character in _SAID or character in _STOPS:
        return character
    if character.isalpha():
        return _letter(character)
    apart = unicodedata.normalize("NFKD", character).replace("\u2044", "/")  # fractions, ⁴, ①
    digits = [str(unicodedata.digit(c, c)) for c in apart]
    if all(c.isascii() for c in digits):
        return "".join(digits).translate(_PLAIN)  # brackets, too: as of \uff08, \u2474
    if unicodedata.category(character) in ("Sm", "Sc", "So"):
        name = unicodedata.name(character, "").removesuffix(" SIGN").lower()
        return f" {name.replace('-', ' ')} "
    return " " if not character.isalnum() else ""


def _letter(character: str) -> str:
    """Return a Latin letter, without the mark if hibari may not know it so; else ""."""
    if "\u00c0" <= character <= "\u00ff" or character in _LETTERS:
        return character
    apart = unicodedata.normalize("NFKD", character)
    return "".join(c for c in apart if c.isascii())
