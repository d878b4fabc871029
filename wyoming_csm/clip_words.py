"""The words of a clip, from a text file as Windows, phones and editors write it."""

import codecs
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from wyoming_csm.errors import VoiceError

MAX_WORDS = 3_000  # characters: far more than a minute holds
_SHOWN = 3  # names in a complaint
# What Windows wrote texts in before UTF-8, by primary language; all others: 1252.
_CODE_PAGES = {
    "cp1250": "pl cs sk hu sl hr ro bs sq",
    "cp1251": "ru uk be bg mk sr kk",
    "cp1253": "el",
    "cp1254": "tr az",
    "cp1257": "et lv lt",
}
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_words(path: Path, language: str) -> str:
    """Read a text in one line: UTF-8, UTF-16, or what Windows wrote the language in.

    Raises VoiceError, OSError.
    """
    name = names_of([path])
    data = read_start(path, 4 * MAX_WORDS + 4)
    try:
        text = unicodedata.normalize("NFC", _decode(data, language))
    except UnicodeDecodeError:
        raise VoiceError(f"{name} is not UTF-8 text: save it as such") from None
    text = " ".join(text.replace("\ufeff", "").split())
    if not text:
        raise VoiceError(f"{name} is empty: write the exact words of the clip there")
    if len(text) > MAX_WORDS:
        raise VoiceError(
            f"{name} is longer than {MAX_WORDS} characters: write only the words of the clip"
        )
    if data.startswith(b"{\\rtf") or not all(
        c.isprintable() or c in "\u200c\u200d\xad" for c in text
    ):
        raise VoiceError(f"{name} is no plain text: save the exact words of the clip as such")
    return text


def read_start(path: Path, most: int) -> bytes:
    """Return the first bytes of a file. Raises VoiceError if it is none, OSError."""
    if not path.is_file():  # reading a pipe would wait for ever
        raise VoiceError(f"{names_of([path])} is not a file: put one there")
    with path.open("rb") as file:
        return file.read(most)


def names_of(paths: Sequence[Path]) -> str:
    """Return the names of the first few, safe to print."""
    shown = [p.name if p.name.isprintable() else ascii(p.name) for p in paths[:_SHOWN]]
    return ", ".join([*shown, "…"] if len(paths) > _SHOWN else shown)


def _decode(data: bytes, language: str) -> str:
    """Decode a text that may be cut within its last letter. Raises UnicodeDecodeError."""
    if data.startswith(_UTF_16):
        return data.decode("utf-16", errors="ignore" if len(data) > 4 * MAX_WORDS else "strict")
    if data[1:2] == b"\0":  # the same without its mark
        return data.decode("utf-16-le", errors="ignore" if len(data) % 2 else "strict")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        if len(data) > 4 * MAX_WORDS:  # too long in any case, and cut perhaps within a letter
            return data.decode("utf-8-sig", errors="ignore")
    primary = language.replace("_", "-").lower().partition("-")[0]
    pages = (page for page, languages in _CODE_PAGES.items() if primary in languages.split())
    return data.decode(next(pages, "cp1252"))
