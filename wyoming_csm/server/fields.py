"""What stands in an event's data, taken as its sender means it: null is nothing, 5 is "5"."""

import json
from collections.abc import Mapping
from typing import Any

from wyoming_csm.errors import ProtocolError
from wyoming_csm.text.clean import mended
from wyoming_csm.voice_choice import VoiceRequest

_LONGEST_WISH = 257  # characters; no voice has a longer name, and a wish is kept while it waits
_NOTHING: tuple[object, ...] = (None, "", [], {})  # [] is how PHP writes {}


def text_of(event_type: str, data: Mapping[str, Any]) -> str:
    """What is to be said, perhaps with half a character at its end, whose other half comes next.

    Raises ProtocolError if there is no `text`, or a list or an object.
    """
    if "text" not in data:
        raise ProtocolError(f"{event_type!r} has no text")
    text = data["text"]
    if isinstance(text, (list, dict)):
        raise ProtocolError(f"the text of {event_type!r} is not a text")
    return text if isinstance(text, str) else as_text(text) or ""


def wanted_voice(data: Mapping[str, Any]) -> VoiceRequest:
    """Never raises: what cannot be fulfilled is a wish for a voice that is not there."""
    voice = data.get("voice")
    if voice in _NOTHING:
        return VoiceRequest()
    if not isinstance(voice, dict):
        return VoiceRequest(name=_wish(voice))
    return VoiceRequest(*(_wish(voice.get(key)) for key in ("name", "language", "speaker")))


def text_format(data: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether it is SSML, and what is wrong with the wish ("": nothing)."""
    wish = (_wish(data.get("text_format")) or "text").lower()
    known = wish in ("text", "ssml")
    return wish == "ssml", "" if known else f"there is no text format {wish[:60]!r}"


def as_text(value: object) -> str | None:
    """A text as it is, anything else as JSON writes it, null as None."""
    if value is None:
        return None
    return mended(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _wish(value: object) -> str | None:
    text = as_text(value)
    return text and text[:_LONGEST_WISH]
