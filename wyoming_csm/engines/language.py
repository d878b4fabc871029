"""Which voice speaks a language."""

from collections.abc import Sequence

from wyoming_csm.voices import Voice


def by_language(voices: Sequence[Voice], language: str) -> Voice | None:
    """The first of exactly that tag, else of its primary language; `en_us` is `en-US`."""
    wanted = _tag(language)
    exact = [voice for voice in voices if _tag(voice.language) == wanted]
    near = [voice for voice in voices if _primary(_tag(voice.language)) == _primary(wanted)]
    return next(iter(exact or near), None)


def _tag(language: str) -> str:
    return language.replace("_", "-").lower()


def _primary(tag: str) -> str:
    return tag.partition("-")[0]
