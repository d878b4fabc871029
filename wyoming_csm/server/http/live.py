"""`/api/stream`: a WebSocket that takes a text in pieces and gives its sound while it is made.

The client sends JSON: `{"type": "start", "voice": …, "ssml": …}` (may be left out), any number of
`{"type": "text", "text": …}`, and `{"type": "end"}`. The server sends `{"type": "start",
"sample_rate": 24000, "width": 2, "channels": 1, "voice": …}`, binary messages (mono s16le), perhaps
`{"type": "warning", "message": …}`, and `{"type": "end", "duration": …}` or `{"type": "error",
"error": {…}}`. The next text may follow on the same connection.
"""

import asyncio
import logging
from contextlib import aclosing, suppress
from http import HTTPStatus
from typing import Annotated

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web
from msgspec import Meta

from wyoming_csm.audio import BYTES_PER_SECOND, CHANNELS, SAMPLE_RATE, SAMPLE_WIDTH
from wyoming_csm.errors import RequestError, WyomingCsmError
from wyoming_csm.server.http.bodies import Name, parse
from wyoming_csm.server.http.connection import CONNECTION
from wyoming_csm.server.http.guard import token_protocols
from wyoming_csm.server.http.house import house_of
from wyoming_csm.server.http.problems import Fault, Refused, fault_of, sent_away, unforeseen
from wyoming_csm.server.http.speak import address_of, speak
from wyoming_csm.text.characters import mended
from wyoming_csm.text.pieces import FASTEST, SLOWEST
from wyoming_csm.text_stream import TextStream
from wyoming_csm.voice_choice import VoiceRequest

# What it warns of is what a client asks for: 16 KB of anything, or a token.
logging.getLogger("aiohttp.websocket").setLevel(logging.ERROR)

_HEARTBEAT_SECONDS = 20.0
PROTOCOL = "wyoming-csm"


class Start(msgspec.Struct, frozen=True, tag="start"):
    """Begin a text, in this voice or language."""

    voice: Name | None = None
    language: Name | None = None
    speaker: Name | None = None
    speed: Annotated[float, Meta(ge=SLOWEST, le=FASTEST)] = 1.0
    ssml: bool = False


class Text(msgspec.Struct, frozen=True, tag="text"):
    """The next piece of the text, cut anywhere."""

    text: str


class End(msgspec.Struct, frozen=True, tag="end"):
    """The text's end."""


class Started(msgspec.Struct, frozen=True, tag="start"):
    """The sound begins; binary messages follow."""

    voice: str
    warnings: tuple[str, ...] = ()
    sample_rate: int = SAMPLE_RATE
    width: int = SAMPLE_WIDTH
    channels: int = CHANNELS


class Warned(msgspec.Struct, frozen=True, tag="warning"):
    """The text that comes in now is not spoken to its end."""

    message: str


class Ended(msgspec.Struct, frozen=True, tag="end"):
    """The sound's end, with how many seconds there were."""

    duration: float


class Failed(msgspec.Struct, frozen=True, tag="error"):
    """The sound ends here, or there is none."""

    error: Fault


Message = Start | Text | End


async def live(request: web.Request) -> web.WebSocketResponse:
    """Answer GET /api/stream."""
    limits = house_of(request).config.limits
    socket = web.WebSocketResponse(
        # A browser that asks for nothing but its token wants an answer to that.
        protocols=(PROTOCOL, *filter(str.isascii, token_protocols(request))),
        heartbeat=_HEARTBEAT_SECONDS,
        max_msg_size=limits.data_bytes,
        receive_timeout=limits.idle_seconds,
        compress=False,
        timeout=1.0,
    )
    try:
        asked = bool(socket.can_prepare(request))
    except ValueError:  # of headers that are no text: aiohttp decodes and quotes them
        asked = False
    if not asked:
        raise Refused(
            HTTPStatus.BAD_REQUEST,
            "this address is for a WebSocket: connect to it with ws:// (see /api/docs); for one"
            " whole text there is POST /v1/audio/speech",
        )
    await socket.prepare(request)
    conversation = _Conversation(request, socket)
    await conversation.run()
    return socket


class _Conversation:
    """One connection: texts come in, one after the other is spoken."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        self._request, self._socket = request, socket
        self._limits = house_of(request).config.limits
        self._due: asyncio.Queue[tuple[Start, TextStream]] = asyncio.Queue()
        self._connection = request[CONNECTION]
        self._connection.resting = True
        self._connection.farewell = self._say_why
        self._rests = asyncio.Event()
        self._rests.set()
        self._waiting = 0
        self._complaints: list[str] = []  # that the client was not told yet
        self._text: TextStream | None = None  # that grows

    async def run(self) -> None:
        """Serve until the peer leaves, or sends what is refused."""
        work = (self._receive(), self._speak(), self._until_over())
        halves = [asyncio.create_task(half) for half in work]
        foreseen = False
        try:
            await asyncio.wait(halves, return_when=asyncio.FIRST_COMPLETED)
            for half in halves:
                if half.done():
                    half.result()
            foreseen = True
        except WyomingCsmError as error:
            await self._tell(Failed(fault_of(error)[1]))
            foreseen = True
        finally:
            for half in halves:
                half.cancel()
            await asyncio.gather(*halves, return_exceptions=True)
            is_over = house_of(self._request).ending.is_set()
            code = WSCloseCode.GOING_AWAY if is_over else WSCloseCode.OK
            with suppress(ConnectionError):  # it left
                if not foreseen:
                    await self._tell(Failed(fault_of(unforeseen())[1]))
                    code = WSCloseCode.INTERNAL_ERROR
                await self._socket.close(code=code)

    async def _say_why(self, reason: str) -> None:
        """Tell the peer why it is sent away, if it waits for something."""
        if self._waiting:
            await self._tell(Failed(sent_away(reason)))
        await self._socket.close(code=WSCloseCode.GOING_AWAY)

    async def _until_over(self) -> None:
        """Wait until the server ends, and then for all that is waiting to be spoken."""
        await house_of(self._request).ending.wait()
        await self._rests.wait()

    async def _receive(self) -> None:
        """Take messages until the peer leaves, or is silent for long. Raises Refused,
        RequestError."""
        while True:
            try:
                message = await self._socket.receive()
            except TimeoutError:
                if not self._waiting:
                    return
                self._end()  # a text that nobody goes on with
                continue
            if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED):
                return
            if message.type is not WSMsgType.TEXT:
                raise RequestError("send JSON as text: start, text, end")
            self._take(parse(message.data, Message))  # type: ignore[arg-type]
            while self._complaints:
                await self._tell(Warned(self._complaints.pop(0)))

    def _take(self, message: Message) -> None:
        match message:
            case Start():
                self._end()
                self._begin(message)
            case Text(text):
                (self._text or self._begin(Start())).feed(mended(text))
            case End():
                if self._text is None:
                    self._begin(Start())
                self._end()

    def _begin(self, start: Start) -> TextStream:
        if self._waiting > self._limits.waiting_requests:
            raise RequestError(f"more than {self._limits.waiting_requests} texts are waiting")
        self._waiting += 1
        self._connection.resting = False
        self._rests.clear()
        self._text = TextStream(self._limits.text_characters, self._complain)
        self._due.put_nowait((start, self._text))
        return self._text

    def _complain(self, complaint: str) -> None:
        complaint += (
            " (limits.text_characters): it is spoken up to the last sentence that ends before"
        )
        house_of(self._request).log.warning(
            "long", "A text of %s %s", address_of(self._request), complaint
        )
        self._complaints.append(f"the text {complaint}")

    def _end(self) -> None:
        if self._text is not None:
            self._text.end()
            self._text = None

    async def _speak(self) -> None:
        while True:
            try:
                await self._speak_one(*await self._due.get())
            except WyomingCsmError as error:
                await self._tell(Failed(fault_of(error)[1]))
            self._waiting -= 1
            self._connection.resting = not self._waiting
            if not self._waiting:
                self._rests.set()

    async def _speak_one(self, start: Start, text: TextStream) -> None:
        wanted = VoiceRequest(start.voice or None, start.language or None, start.speaker or None)
        spoken = await speak(self._request, text, wanted, speed=start.speed, ssml=start.ssml)
        size = 0
        async with aclosing(spoken.sound):
            async for pcm in spoken.sound:
                if not size:
                    name = spoken.voice.name if spoken.voice else ""
                    await self._tell(Started(name, spoken.warnings))
                size += len(pcm)
                await self._socket.send_bytes(pcm)
        await self._tell(Ended(round(size / BYTES_PER_SECOND, 3)))

    async def _tell(self, message: object) -> None:
        if not self._socket.closed:
            await self._socket.send_str(msgspec.json.encode(message).decode())
