"""A text as the numbers that a model reads: coqui-tts's tokenizer without torch.

The cleaners and the wrapper of espeak-ng are coqui-tts's own; what its tokenizer does around them
is here, from what `described` says about one.
"""

import unicodedata
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from sys import modules
from types import ModuleType
from typing import Any

import msgspec

from wyoming_csm.worker.coqui.phonemes import initials_apart, use_library

_TEXT = "TTS.tts.utils.text"
_PHONEMIZERS = f"{_TEXT}.phonemizers"


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be known about a tokenizer."""

    cleaner: str | None  # the name of the function among coqui-tts's
    phonemes: dict[str, str] | None  # espeak-ng's language by the model's; by "" for all
    ids: dict[str, int]  # by character
    blank: int | None  # stands between all others
    ends: tuple[int, int] | None  # begin and end of a sentence


def described(tokenizer: Any) -> Description:
    """Describe a tokenizer of coqui-tts. Raises ValueError if it is of another kind."""
    vocabulary = tokenizer.characters
    cleaner = getattr(tokenizer.text_cleaner, "__name__", None)
    if cleaner is not None and not hasattr(import_module(f"{_TEXT}.cleaners"), cleaner):
        raise ValueError(f"the cleaner {cleaner} is not coqui-tts's")
    return Description(
        cleaner=cleaner,
        phonemes=_languages(tokenizer.phonemizer),
        ids={char: number for number, char in enumerate(vocabulary.vocab) if len(char) == 1},
        blank=tokenizer.blank_id if tokenizer.add_blank else None,
        ends=(vocabulary.bos_id, vocabulary.eos_id) if tokenizer.use_eos_bos else None,
    )


def _languages(phonemizer: Any) -> dict[str, str] | None:
    if phonemizer is None:
        return None
    one = {"": phonemizer}
    found = getattr(phonemizer, "lang_to_phonemizer", one)  # a phonemizer for each language
    for each in found.values():
        if each.name() != "espeak":
            raise ValueError(f"the phonemizer {each.name()} is not espeak-ng")
    return {language: each.language for language, each in found.items()}


class Alphabet:
    """The letters that a model reads as they are written, after its cleaner."""

    def __init__(self, characters: Collection[str], clean: Callable[..., str] | None) -> None:
        self._has = frozenset(characters)
        self._clean = clean
        self._read = lru_cache(maxsize=2_048)(self._readable)

    def readable(self, text: str) -> str:
        """Return the text, where it has not learnt a letter without the letter's mark."""
        return text if text.isascii() else "".join(self._read(c) or c for c in text)

    def lacks(self, text: str) -> str:
        """Return the letters that it has not learnt."""
        return "".join(char for char in text if char.isalpha() and not self._read(char))

    def _readable(self, char: str) -> str:
        """Return the character, or its letters without marks, if they are known; else ""."""
        if not char.isalpha() or self._knows(char):
            return char
        apart = unicodedata.normalize("NFKD", char)
        letters = "".join(c for c in apart if not unicodedata.combining(c))
        return letters if all(map(self._knows, letters)) else ""

    def _knows(self, char: str) -> bool:
        return not self._has.isdisjoint(self._clean(char) if self._clean else char)


class Tokenizer:
    """Texts into numbers, as coqui-tts does it. Raises ImportError without coqui-tts."""

    def __init__(self, description: Description) -> None:
        self._it = description
        with packages_bare():
            cleaners = import_module(f"{_TEXT}.cleaners")
            self._clean = getattr(cleaners, description.cleaner) if description.cleaner else None
            wrapper = import_module(f"{_PHONEMIZERS}.espeak_wrapper")
        use_library(wrapper)
        self._phonemizers: dict[str, Any] = {
            language: wrapper.ESpeak(own) for language, own in (description.phonemes or {}).items()
        }
        self.alphabet = None if self._phonemizers else Alphabet(description.ids, self._clean)
        self._letters = {number for char, number in description.ids.items() if char.isalnum()}
        self.ids = lru_cache(maxsize=1)(self._ids)

    def can_speak(self, text: str, language: str | None) -> bool:
        """Return whether anything of the text remains in the model's own letters or phonemes."""
        return not self._letters.isdisjoint(self.ids(text, language))

    def _ids(self, text: str, language: str | None) -> list[int]:
        one = None
        if self._phonemizers:
            one = self._phonemizers.get("") or self._phonemizers[language or ""]
            text = initials_apart(text, one.language)
        if self._clean is not None:
            text = self._clean(text, lang=language and language.partition("-")[0])
        if one is not None:
            text = one.phonemize(text, separator="", language=language)
        ids = [self._it.ids[char] for char in text if char in self._it.ids]
        if self._it.blank is not None:
            spaced = [self._it.blank] * (2 * len(ids) + 1)
            spaced[1::2] = ids
            ids = spaced
        return [self._it.ends[0], *ids, self._it.ends[1]] if self._it.ends else ids


@contextmanager
def packages_bare() -> Iterator[None]:
    """Let modules of coqui-tts be imported without what its packages import: torch, for one.

    Raises ImportError without coqui-tts.
    """
    if "TTS" in modules:
        yield
        return
    spec = find_spec("TTS")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("coqui-tts is not installed")
    whole = Path(spec.submodule_search_locations[0])
    parts = _PHONEMIZERS.split(".")
    try:
        for depth in range(1, len(parts) + 1):
            package = ModuleType(".".join(parts[:depth]))
            package.__path__ = [str(whole.joinpath(*parts[1:depth]))]
            modules[package.__name__] = package
        yield
    finally:
        for name in [name for name in modules if name.partition(".")[0] == "TTS"]:
            del modules[name]
