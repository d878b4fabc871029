"""Which voice a request gets: names are keys of a table, and every wish ends in a voice."""

from collections.abc import Sequence

import msgspec

from wyoming_csm.config import Config
from wyoming_csm.engines.language import of_language
from wyoming_csm.server.fields import VoiceRequest
from wyoming_csm.voices import Voice

_SHOWN = 60  # characters of a peer's word that may stand in the log


def in_order(voices: Sequence[Voice], config: Config) -> list[Voice]:
    """The default voice first: most clients take the first of the list.

    It is the configuration's voice, or the first of the configuration's language, a recorded one
    before others, or the first.
    """
    named = [voice for voice in voices if voice.name == config.voice]
    usable = [voice for voice in voices if not voice.fault]
    recorded = of_language([voice for voice in usable if voice.clips], config.language)
    of_its_language = recorded or of_language(usable, config.language)
    default = next(iter(named or of_its_language or usable or voices), None)
    rest = [voice for voice in voices if voice is not default]
    return rest if default is None else [default, *rest]


def choose_voice(
    voices: Sequence[Voice], wanted: VoiceRequest, config: Config
) -> tuple[Voice | None, str]:
    """The voice, its speaker set, and what is wrong with the wish ("": nothing).

    None only if there is no voice at all.
    """
    ordered = in_order(voices, config)
    if not ordered:
        return None, ""
    voice, complaint = ordered[0], ""
    if wanted.name is not None:
        named = [one for one in ordered if one.name == wanted.name]
        if named:
            voice = named[0]
        else:
            complaint = f"there is no voice {wanted.name[:_SHOWN]!r}"
    elif wanted.language is not None:
        speaking = of_language(ordered, wanted.language)
        if speaking:
            voice = speaking[0]
        else:
            complaint = f"there is no voice for {wanted.language[:_SHOWN]!r}"
    if wanted.speaker and not complaint:
        if wanted.speaker in voice.speakers:
            voice = msgspec.structs.replace(voice, speaker=wanted.speaker)
        else:
            complaint = f"{voice.name} has no speaker {wanted.speaker[:_SHOWN]!r}"
    return voice, complaint
