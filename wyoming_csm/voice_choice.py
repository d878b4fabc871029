"""Which voice a request gets: every request ends in a voice, and one of its language if any is."""

from collections.abc import Collection, Sequence

import msgspec

from wyoming_csm.config import Config
from wyoming_csm.language_codes import alike
from wyoming_csm.voices import Voice

_SHOWN = 60  # characters of a client's word that may stand in the log


class VoiceRequest(msgspec.Struct, frozen=True):
    """The voice a request asks for, as far as it asks."""

    name: str | None = None
    language: str | None = None
    speaker: str | None = None


def choose_voice(
    voices: Sequence[Voice], wanted: VoiceRequest, config: Config
) -> tuple[Voice | None, str]:
    """Return the voice with its speaker set, and what could not be fulfilled ("": nothing).

    The voice is None only if there is none at all.
    """
    ordered = default_first(voices, config)
    if not ordered:
        return None, ""
    found, complaint = ordered, ""
    if wanted.name is not None:
        found = [one for one in ordered if one.name == wanted.name]
        complaint = f"there is no voice {wanted.name[:_SHOWN]!r}"
    elif wanted.language is not None:
        found = of_language([one for one in ordered if not one.last], wanted.language)
        complaint = f"there is no voice for {wanted.language[:_SHOWN]!r}"
    if not found:
        return ordered[0], complaint
    voice = found[0]
    if not wanted.speaker:
        return voice, ""
    if wanted.speaker not in voice.speakers:
        return voice, f"{voice.name} has no speaker {wanted.speaker[:_SHOWN]!r}"
    return msgspec.structs.replace(voice, speaker=wanted.speaker), ""


def default_first(voices: Sequence[Voice], config: Config) -> list[Voice]:
    """Return the voices with the default one first: most clients take the first of the list.

    The default is the configured voice, or the first of the configured language, a recorded one
    before others, or the first. Those that this machine is not made for come last.
    """
    named = [voice for voice in voices if voice.name == config.voice]
    usable = [voice for voice in voices if not voice.fault and not voice.last]
    recorded = of_language([voice for voice in usable if voice.clips], config.language)
    of_its_language = recorded or of_language(usable, config.language)
    default = [*named, *of_its_language, *usable, *voices][:1]
    others = [voice for voice in voices if voice not in default]
    return [*default, *sorted(others, key=lambda voice: voice.last)]


def of_language(voices: Sequence[Voice], language: str) -> list[Voice]:
    """Return the voices that speak a language: `en_us` and `en_US.UTF-8` are `en-US`.

    Those of exactly that tag, else of its primary language, else of a language that is the same
    by another code or serves as well: `no` is `nb`.
    """
    tags = [_tag(voice.language) for voice in voices]
    primaries = [primary_of(tag) for tag in tags]

    def among(found: list[str], codes: Collection[str]) -> list[Voice]:
        return [voice for voice, code in zip(voices, found, strict=True) if code in codes]

    tag = _tag(language)
    primary = primary_of(tag)
    found = among(tags, [tag]) or among(primaries, [primary])
    if found or not voices:
        return found
    return next(filter(None, (among(primaries, codes) for codes in alike(primary))), [])


def standard_tag(language: str) -> str:
    """Write a tag in the case that BCP 47 recommends: `de_ch` is `de-CH`, `ZH-hant` `zh-Hant`."""
    primary, *more = _tag(language).split("-")
    case = {2: str.upper, 4: str.title}
    return "-".join([primary, *(case.get(len(part), str)(part) for part in more)])


def primary_of(tag: str) -> str:
    """Return the language of a tag without its region or script: `de` of `de-CH`."""
    return tag.partition("-")[0]


def _tag(language: str) -> str:
    name = language.partition(".")[0].partition("@")[0]
    return name.replace("_", "-").lower()
