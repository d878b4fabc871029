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

from wyoming.event import Event
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop

from wyoming_csm.config import Limits
from wyoming_csm.server.fields import text_format, text_of, wanted_voice
from wyoming_csm.voice_choice import VoiceRequest


class TextStream:
    """Text that arrives in chunks while what came before it is spoken."""

    def __init__(self, most_characters: int) -> None:
        self._most = most_characters
        self._chunks: list[str] = []
        self._characters = 0
        self._ended = False
        self._news = asyncio.Event()
        self.first_at: float | None = None  # the loop's time of the first character
        self.cut = False  # there was more than the limit allows

    def feed(self, text: str) -> None:
        """What goes over the limit is left out."""
        room = self._most - self._characters
        self.cut = self.cut or len(text) > room
        text = text[:room]
        if not text:
            return
        self._characters += len(text)
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

    wanted: VoiceRequest
    ssml: bool
    streamed: bool
    text: TextStream
    complaint: str = ""  # about a wish that cannot be fulfilled


class RequestReader:
    """Makes requests of the events of one connection; each goes to `submit` when it begins.

    `complain` is told, once for each, of a text that is longer than is spoken.
    """

    def __init__(
        self,
        limits: Limits,
        submit: Callable[[Request], None],
        complain: Callable[[str], None],
    ) -> None:
        self._most_characters = limits.text_characters
        self._submit = submit
        self._complain = complain
        self._stream: Request | None = None
        self._repeated = ""  # the text of `synthesize` inside the stream, while no chunk came

    @property
    def in_stream(self) -> bool:
        """Whether a stream is open."""
        return self._stream is not None

    def take(self, event: Event) -> None:
        """Events that ask for nothing are ignored. Raises ProtocolError, RequestError."""
        if Synthesize.is_type(event.type):
            self._synthesize(event)
        elif SynthesizeStart.is_type(event.type):
            self.end()
            self._open(event)
        elif SynthesizeChunk.is_type(event.type):
            text = text_of(event.type, event.data)
            self._feed(self._stream or self._open(), text)
        elif SynthesizeStop.is_type(event.type):
            if self._stream is None:
                self._open()
            self.end()

    def end(self) -> None:
        """No more text comes for the stream, if one is open."""
        stream, self._stream = self._stream, None
        if stream is None:
            return
        repeated, self._repeated = self._repeated, ""
        if stream.text.first_at is None:
            self._feed(stream, repeated)
        stream.text.end()

    def _synthesize(self, event: Event) -> None:
        text = text_of(event.type, event.data)
        if self._stream is not None:
            self._repeated = text[: self._most_characters + 1]
            return
        request = self._request(event, streamed=False)
        self._feed(request, text)
        request.text.end()
        self._submit(request)

    def _open(self, start: Event | None = None) -> Request:
        self._stream = self._request(start, streamed=True)
        self._submit(self._stream)
        return self._stream

    def _request(self, event: Event | None, *, streamed: bool) -> Request:
        data = event.data if event is not None else {}
        ssml, complaint = text_format(data)
        text = TextStream(self._most_characters)
        return Request(wanted_voice(data), ssml, streamed, text, complaint)

    def _feed(self, request: Request, text: str) -> None:
        was_cut = request.text.cut
        request.text.feed(text)
        if request.text.cut and not was_cut:
            self._complain(f"is longer than {self._most_characters} characters")
