"""What a connection is asked to say: events in, requests out, their text growing while spoken.

The rules where a peer leaves the usual order, so that none is ever left without an answer:
- `synthesize` inside a stream repeats the stream's text: ignored, unless no chunk came before
  the stream's end, then it is the text;
- `synthesize-start` inside a stream, and the end of input, end the stream as its stop does;
- `synthesize-chunk` without a start opens a stream in the default voice;
- `synthesize-stop` without a start is answered as an empty stream.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

import msgspec
from wyoming.event import Event
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop

from wyoming_csm.config import Limits
from wyoming_csm.errors import ProtocolError, RequestError

_Name = Annotated[str, msgspec.Meta(max_length=256)]  # it is kept while the request waits


class Wanted(msgspec.Struct, frozen=True):
    """The voice a request asks for, as far as it asks."""

    name: _Name | None = None
    language: _Name | None = None
    speaker: _Name | None = None


class _Manner(msgspec.Struct, frozen=True):
    """What `synthesize` and `synthesize-start` have in common."""

    voice: Wanted = Wanted()
    text_format: str | None = None


class _Text(msgspec.Struct, frozen=True):
    text: str


T = TypeVar("T", bound=msgspec.Struct)


def parse(event: Event, kind: type[T]) -> T:
    """The event's data as `kind`. Raises ProtocolError."""
    try:
        return msgspec.convert(event.data, kind)
    except msgspec.ValidationError as error:
        raise ProtocolError(f"{event.type[:40]!r} is not as Wyoming has it: {error}") from None


def check_length(characters: int, most: int) -> None:
    """Raises RequestError."""
    if characters > most:
        raise RequestError(f"the text is longer than {most} characters")


class TextStream:
    """Text that arrives in chunks while what came before it is spoken."""

    def __init__(self, most_characters: int) -> None:
        self._most = most_characters
        self._chunks: list[str] = []
        self._characters = 0
        self._ended = False
        self._news = asyncio.Event()
        self.first_at: float | None = None  # the loop's time of the first character

    def feed(self, text: str) -> None:
        """Raises RequestError over the limit."""
        if not text:
            return
        self._characters += len(text)
        check_length(self._characters, self._most)
        if self.first_at is None:
            self.first_at = asyncio.get_running_loop().time()
        self._chunks.append(text)
        self._news.set()

    def end(self) -> None:
        """That was all. Safe to call twice."""
        self._ended = True
        self._news.set()

    async def take(self, patience: float | None = None) -> str | None:
        """Waits for text and returns all there is; "": none in `patience` s; None: the end."""
        try:
            async with asyncio.timeout(patience):
                await self._news.wait()
        except TimeoutError:
            return ""
        text = "".join(self._chunks)
        self._chunks.clear()
        if not self._ended:
            self._news.clear()
        return text or None


@dataclass(frozen=True, eq=False)
class Request:
    """One thing to say."""

    wanted: Wanted
    ssml: bool
    streamed: bool
    text: TextStream


class RequestReader:
    """Makes requests of the events of one connection; each goes to `submit` when it begins."""

    def __init__(self, limits: Limits, submit: Callable[[Request], None]) -> None:
        self._most_characters = limits.text_characters
        self._submit = submit
        self._stream: Request | None = None
        self._repeated = ""  # the text of `synthesize` inside the stream, while no chunk came

    @property
    def in_stream(self) -> bool:
        """Whether a stream is open."""
        return self._stream is not None

    def take(self, event: Event) -> None:
        """Events that ask for nothing are ignored. Raises ProtocolError, RequestError."""
        if Synthesize.is_type(event.type):
            self._synthesize(parse(event, _Text).text, parse(event, _Manner))
        elif SynthesizeStart.is_type(event.type):
            self.end()
            self._open(parse(event, _Manner))
        elif SynthesizeChunk.is_type(event.type):
            text = parse(event, _Text).text
            (self._stream or self._open(_Manner())).text.feed(text)
        elif SynthesizeStop.is_type(event.type):
            if self._stream is None:
                self._open(_Manner())
            self.end()

    def end(self) -> None:
        """No more text comes for the stream, if one is open."""
        stream, self._stream = self._stream, None
        if stream is None:
            return
        repeated, self._repeated = self._repeated, ""
        if stream.text.first_at is None:
            stream.text.feed(repeated)
        stream.text.end()

    def _synthesize(self, text: str, manner: _Manner) -> None:
        if self._stream is not None:
            check_length(len(text), self._most_characters)
            self._repeated = text
            return
        request = self._request(manner, streamed=False)
        request.text.feed(text)
        request.text.end()
        self._submit(request)

    def _open(self, manner: _Manner) -> Request:
        self._stream = self._request(manner, streamed=True)
        self._submit(self._stream)
        return self._stream

    def _request(self, manner: _Manner, *, streamed: bool) -> Request:
        ssml = manner.text_format == "ssml"
        return Request(manner.voice, ssml, streamed, TextStream(self._most_characters))
