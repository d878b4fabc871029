"""Which voices speak a language."""

from collections.abc import Sequence

from wyoming_csm.voices import Voice


def of_language(voices: Sequence[Voice], language: str) -> list[Voice]:
    """Those of exactly that tag, else of its primary language; `en_us` is `en-US`."""
    wanted = _tag(language)
    exact = [voice for voice in voices if _tag(voice.language) == wanted]
    return exact or [v for v in voices if _primary(_tag(v.language)) == _primary(wanted)]


def by_language(voices: Sequence[Voice], language: str) -> Voice | None:
    """The first of them."""
    return next(iter(of_language(voices, language)), None)


def _tag(language: str) -> str:
    return language.replace("_", "-").lower()


def _primary(tag: str) -> str:
    return tag.partition("-")[0]
