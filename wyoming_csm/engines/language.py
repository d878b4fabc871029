"""Which voices speak a language."""

from collections.abc import Collection, Sequence

from wyoming_csm.engines.language_codes import alike
from wyoming_csm.voices import Voice


def of_language(voices: Sequence[Voice], language: str) -> list[Voice]:
    """Those of exactly that tag, else of its primary language, else of one that is the same by
    another code or serves as well: `no` is `nb`. `en_us` and `en_US.UTF-8` are `en-US`."""
    tags = [_tag(voice.language) for voice in voices]
    primaries = [primary_of(tag) for tag in tags]

    def among(found: list[str], codes: Collection[str]) -> list[Voice]:
        return [voice for voice, code in zip(voices, found, strict=True) if code in codes]

    tag = _tag(language)
    primary = primary_of(tag)
    like = (among(primaries, codes) for codes in alike(primary))
    return among(tags, [tag]) or among(primaries, [primary]) or next(filter(None, like), [])


def by_language(voices: Sequence[Voice], language: str) -> Voice | None:
    """The first of them."""
    return next(iter(of_language(voices, language)), None)


def standard_tag(language: str) -> str:
    """In the case that BCP 47 recommends: `de_ch` is `de-CH`, `ZH-hant` is `zh-Hant`."""
    primary, *more = _tag(language).split("-")
    case = {2: str.upper, 4: str.title}
    return "-".join([primary, *(case.get(len(part), str)(part) for part in more)])


def primary_of(tag: str) -> str:
    """`de` of `de-CH`."""
    return tag.partition("-")[0]


def _tag(language: str) -> str:
    name = language.partition(".")[0].partition("@")[0]
    return name.replace("_", "-").lower()
