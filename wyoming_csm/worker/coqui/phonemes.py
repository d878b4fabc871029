"""Coqui's phonemes from espeak-ng's library in this process.

coqui-tts runs an espeak-ng command for each sentence, 0.1 s, and several when it is imported. It
asks for nothing but phonemes and the list of voices: here are both, as it would read them from the
command. What it makes of them, and how it divides a text at punctuation, stays its own.
"""

import logging
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType

from wyoming_csm.worker.system.espeak_ng import Library

_LOGGER = logging.getLogger(__name__)

# Coqui's cleaners make them small, and then they are words: "am" of "7 AM", "led", "us".
_INITIALS = re.compile(r"\b(?:AM|EV|IT|LED|PIR|UPS|US)\b")


def initials_apart(text: str, language: str | None) -> str:
    """Write initials that espeak-ng would take for an English word letter by letter.

    A lone "a" would be the article; "eh" is how it reads that letter's name.
    """
    if not (language or "").startswith("en"):
        return text
    return _INITIALS.sub(lambda word: " ".join(word[0]).replace("A", "eh"), text)


def use_library(wrapper: ModuleType) -> None:
    """Make coqui-tts's `espeak_wrapper` ask the library; where there is none, leave it as it is."""
    library = _library()
    if library is None:
        return

    def answer(_command: str, words: Sequence[str]) -> list[str]:
        lines = _voices(library) if "--voices" in words else _phonemes(library, words)
        return [line.strip() for line in lines if line.strip()]

    vars(wrapper).update(
        _espeak_exe=answer,
        _is_tool=lambda name: name == "espeak-ng",
        get_espeakng_version=lambda: library.version,
        _DEF_ESPEAK_LIB="espeak-ng",
        _DEF_ESPEAK_VER=library.version,
    )


@cache  # it can be initialised once in a process
def _library() -> Library | None:
    try:
        return Library()
    except (ImportError, OSError) as error:
        _LOGGER.warning("Without espeak-ng's library Coqui needs an espeak-ng command: %s", error)
        return None


def _voices(library: Library) -> list[str]:
    """Make the table of the command: a head, then the code as second word and the name as fourth"""
    lines = [f"5 {code} -- {name.replace(' ', '_')}" for code, name in library.languages().items()]
    return ["Pty Language Age/Gender VoiceName", *lines]


def _phonemes(library: Library, words: Sequence[str]) -> list[str]:
    """Read `-v LANGUAGE --ipa=1 -f FILE`."""
    language, file = (words[words.index(option) + 1] for option in ("-v", "-f"))
    return library.phonemes(Path(file).read_text("utf-8"), language)
