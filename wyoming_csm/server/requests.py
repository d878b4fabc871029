"""What a connection is asked to say: events in, requests out, their text growing while spoken.

The rules where a peer leaves the usual order, so that none is ever left without an answer:
- `synthesize` inside a stream repeats the stream's text: ignored, unless no chunk came before
  the stream's end, then it is the text;
- `synthesize-start` inside a stream, and the end of input, end the stream as its stop does;
- `synthesize-chunk` without a start opens a stream in the default voice;
- `synthesize-stop` without a start is answered as an empty stream.

What stands in an event's data is taken as its sender means it: null is nothing, 5 is "5".
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wyoming.event import Event
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop

from wyoming_csm.config import Limits
from wyoming_csm.errors import ProtocolError
from wyoming_csm.text.characters import mended
from wyoming_csm.text_stream import TextStream
from wyoming_csm.voice_choice import VoiceRequest

_LONGEST_NAME = 257  # characters; no voice has a longer one, and it is held while the request waits
_NOTHING: tuple[object, ...] = (None, "", [], {})  # [] is how PHP writes {}


@dataclass(frozen=True, eq=False)
class Request:
    """One text to say, with how it is to be said."""

    wanted: VoiceRequest
    ssml: bool
    streamed: bool
    text: TextStream
    complaint: str = ""  # about something asked for that cannot be fulfilled


class RequestReader:
    """Makes requests of the events of one connection; each goes to `submit` when it begins.

    `complain` is told, once for each, of a text that is longer than is spoken.
    """

    def __init__(
        self, limits: Limits, submit: Callable[[Request], None], complain: Callable[[str], None]
    ) -> None:
        self._most_characters = limits.text_characters
        self._submit = submit
        self._complain = complain
        self._stream: Request | None = None
        self._repeated = ""  # the text of `synthesize` inside the stream, while no chunk came

    @property
    def in_stream(self) -> bool:
        """Return whether a stream is open."""
        return self._stream is not None

    def take(self, event: Event) -> None:
        """Take an event; those that ask for nothing are ignored.

        Raises ProtocolError, RequestError.
        """
        if Synthesize.is_type(event.type):
            self._synthesize(event)
        elif SynthesizeStart.is_type(event.type):
            self.end()
            self._open(event)
        elif SynthesizeChunk.is_type(event.type):
            text = _text_of(event.type, event.data)
            (self._stream or self._open()).text.feed(text)
        elif SynthesizeStop.is_type(event.type):
            if self._stream is None:
                self._open()
            self.end()

    def end(self) -> None:
        """End the text of the stream, if one is open."""
        stream, self._stream = self._stream, None
        if stream is None:
            return
        repeated, self._repeated = self._repeated, ""
        if stream.text.first_at is None:
            stream.text.feed(repeated)
        stream.text.end()

    def _synthesize(self, event: Event) -> None:
        text = _text_of(event.type, event.data)
        if self._stream is not None:
            self._repeated = text[: self._most_characters + 1]
            return
        request = self._request(event.data, streamed=False)
        request.text.feed(text)
        request.text.end()
        self._submit(request)

    def _open(self, start: Event | None = None) -> Request:
        self._stream = self._request(start.data if start is not None else {}, streamed=True)
        self._submit(self._stream)
        return self._stream

    def _request(self, data: Mapping[str, Any], *, streamed: bool) -> Request:
        text_format = (_name(data.get("text_format")) or "text").lower()
        known = text_format in ("text", "ssml")
        return Request(
            _wanted_voice(data),
            text_format == "ssml",
            streamed,
            TextStream(self._most_characters, self._complain),
            "" if known else f"there is no text format {text_format[:60]!r}",
        )


def _text_of(event_type: str, data: Mapping[str, Any]) -> str:
    """Return what is to be said, perhaps with half a character at its end: the rest comes next.

    Raises ProtocolError if there is no `text`, or a list or an object.
    """
    if "text" not in data:
        raise ProtocolError(f"{event_type!r} has no text")
    text = data["text"]
    if isinstance(text, (list, dict)):
        raise ProtocolError(f"the text of {event_type!r} is not a text")
    return text if isinstance(text, str) else as_text(text) or ""


def _wanted_voice(data: Mapping[str, Any]) -> VoiceRequest:
    """Read any `voice`: a malformed one becomes the name of a voice that does not exist."""
    voice = data.get("voice")
    if voice in _NOTHING:
        return VoiceRequest()
    if not isinstance(voice, dict):
        return VoiceRequest(name=_name(voice))
    return VoiceRequest(*(_name(voice.get(key)) for key in ("name", "language", "speaker")))


def as_text(value: object) -> str | None:
    """Return a text as it is, anything else as JSON writes it, null as None."""
    if value is None:
        return None
    return mended(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _name(value: object) -> str | None:
    text = as_text(value)
    return text and text[:_LONGEST_NAME]
