"""One connection: a hearing half that is never busy, and a speaking half, one reply at a time."""

import asyncio
import logging
import socket
from contextlib import suppress
from dataclasses import dataclass

from wyoming.error import Error
from wyoming.info import Describe
from wyoming.ping import Ping, Pong

from wyoming_csm.config import Config
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.errors import EngineError, ProtocolError, RequestError
from wyoming_csm.server.answer import Answer
from wyoming_csm.server.departure import Departure, wait_hangup
from wyoming_csm.server.fields import as_text
from wyoming_csm.server.info import InfoBytes
from wyoming_csm.server.outlet import EventWriter
from wyoming_csm.server.rate_limited_log import RateLimitedLog
from wyoming_csm.server.requests import Request, RequestReader
from wyoming_csm.server.voice_table import choose_voice
from wyoming_csm.server.wire import read_event
from wyoming_csm.within import within

_LOGGER = logging.getLogger(__name__)

_LINGER_SECONDS = 0.04  # closing on unread input would take our last words from the peer
_LINGER_BYTES = 256 * 1024  # of that input
_FAREWELL_SECONDS = 0.25  # for last words to a peer that is sent away


@dataclass(frozen=True)
class ServerContext:
    """What all connections of a server have in common."""

    config: Config
    engine: Fallback
    info: InfoBytes
    log: RateLimitedLog


class Connection:
    """Serves one peer until it leaves, idles too long, or is refused; a `Guest` of the lobby.

    Whatever ends a reply too early is said in an `error` before the connection closes: a client
    must never take half a message for a whole one.
    """

    def __init__(self, sock: socket.socket, address: str, shared: ServerContext) -> None:
        self.address = address
        self._sock = sock
        self._shared = shared
        self._clock = asyncio.get_running_loop().time
        self.last_active = self._clock()
        self._departure = Departure()
        self._due: asyncio.Queue[Request | None] = asyncio.Queue()  # None: no more will come
        self._unanswered = 0
        self._requests = RequestReader(shared.config.limits, self._submit, self._complain)
        self._answer: Answer | None = None
        self._hearing: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._last_words = ""

    @property
    def busy(self) -> bool:
        """Whether a request is not fully answered."""
        return self._unanswered > 0

    def start(self) -> asyncio.Task[None]:
        """Serve in a task; its end is the connection's."""
        self._task = asyncio.create_task(self._run(), name=f"wyoming {self.address}")
        self._task.add_done_callback(lambda _: self._sock.close())
        return self._task

    def close(self, reason: str) -> None:
        """Send the peer away now; `reason` is told if it was waiting for sound."""
        self._last_words = reason if self.busy else ""
        if self._task is not None:
            self._task.cancel()

    def finish(self, reason: str) -> None:
        """Nothing new from this peer; the reply in flight may end, its text as well."""
        if self._answer is None:
            self.close(reason)
            return
        self._stopping, self._last_words = True, reason

    async def _run(self) -> None:
        limits = self._shared.config.limits
        try:
            reader, writer = await asyncio.open_connection(
                sock=self._sock, limit=limits.header_bytes
            )
        except OSError:  # it left already
            return
        outlet = EventWriter(writer, limits.stall_seconds)
        try:
            last_words = await self._serve(reader, outlet)
            self._unanswered = 0  # what is said now is the last: no farewell follows it
            await _part(reader, writer, outlet, last_words)
        except asyncio.CancelledError:
            if self._last_words:
                await _part(reader, writer, outlet, self._last_words, _FAREWELL_SECONDS)
            raise
        finally:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, outlet: EventWriter) -> str:
        """Returns what the peer is told before the connection closes, or nothing."""
        last_words = ""
        log = self._shared.log
        try:
            async with asyncio.TaskGroup() as halves:
                self._hearing = halves.create_task(self._hear(reader, outlet))
                await self._speak(outlet)
                self._hearing.cancel()
        except* (ProtocolError, RequestError) as group:
            last_words = str(group.exceptions[0])
            log.warning("refused", "Refused %s: %s", self.address, last_words)
        except* EngineError as group:
            last_words = str(group.exceptions[0])
            log.warning("engine", "A reply to %s failed: %s", self.address, last_words)
        except* OSError as group:
            _LOGGER.debug("%s left: %s", self.address, group.exceptions[0])
        except* Exception:
            last_words = "internal error"
            _LOGGER.exception("A connection of %s failed", self.address)
        return last_words

    async def _hear(self, reader: asyncio.StreamReader, outlet: EventWriter) -> None:
        """The hearing half: ends with ConnectionError when the peer has left for good."""
        while await self._hear_event(reader, outlet):
            pass
        self._departure.input_ended = True
        self._requests.end()
        self._due.put_nowait(None)
        if self._answer is not None:
            self._answer.probe()
        await wait_hangup(self._sock)
        raise ConnectionResetError("the peer hung up")

    async def _hear_event(self, reader: asyncio.StreamReader, outlet: EventWriter) -> bool:
        """False: nothing comes any more, or nothing came for too long."""
        limits = self._shared.config.limits
        try:
            event = await read_event(reader, limits)
        except TimeoutError:
            if self.busy and not self._requests.in_stream:  # an abandoned stream ends here
                return True
            return self._clock() - self.last_active < limits.idle_seconds  # it spoke since
        if event is None:
            return False
        self.last_active = self._clock()
        if Describe.is_type(event.type):
            outlet.send_bytes(self._shared.info.get())
        elif Ping.is_type(event.type):
            outlet.send(Pong(as_text(event.data.get("text"))).event())
        else:
            self._requests.take(event)
        await outlet.drained()  # who does not read is not heard either: a flood ends here
        return True

    def _submit(self, request: Request) -> None:
        most = self._shared.config.limits.waiting_requests
        if self._unanswered > most:
            raise RequestError(f"more than {most} requests are waiting on this connection")
        self._unanswered += 1
        self._due.put_nowait(request)

    def _complain(self, complaint: str) -> None:
        self._shared.log.warning(
            "long", "A text of %s %s (limits.text_characters): it is spoken up to the last"
            " sentence that ends before", self.address, complaint,
        )  # fmt: skip

    async def _speak(self, outlet: EventWriter) -> None:
        """The speaking half: returns when all requests are answered and no more will come."""
        while (request := await self._due.get()) is not None:
            self._answer = self._make_answer(request, outlet)
            if self._departure.input_ended:
                self._answer.probe()
            await self._answer.run()
            self._answer = None
            self._unanswered -= 1
            self.last_active = self._clock()
            if self._stopping:
                break
        if self._stopping and self.busy:
            raise RequestError(self._last_words)

    def _make_answer(self, request: Request, outlet: EventWriter) -> Answer:
        shared = self._shared
        voice, complaint = choose_voice(shared.engine.voices, request.wanted, shared.config)
        complaint = "; ".join(filter(None, (complaint, request.complaint)))
        if complaint:
            shared.log.warning(
                "voice", "%s asks for what is not here: %s; it gets %s",
                *(self.address, complaint, voice and voice.name),
            )  # fmt: skip
        return Answer(
            request,
            voice,
            engine=shared.engine,
            outlet=outlet,
            departure=self._departure,
            config=shared.config,
            address=self.address,
        )


async def _part(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    outlet: EventWriter,
    last_words: str,
    seconds: float | None = None,
) -> None:
    """Say the last words as an `error`, let everything go out, and say goodbye."""
    with suppress(OSError, RequestError):  # it left first, or takes nothing
        if await within(seconds, _take_leave(writer, outlet, last_words)):
            await within(_LINGER_SECONDS, _let_pass(reader))


async def _take_leave(writer: asyncio.StreamWriter, outlet: EventWriter, last_words: str) -> None:
    if last_words:
        outlet.send(Error(text=last_words).event())
    await outlet.flushed()
    writer.write_eof()


async def _let_pass(reader: asyncio.StreamReader) -> None:
    """What the peer had sent before it heard of the end; a flood is not waited out."""
    left = _LINGER_BYTES
    while left > 0 and (passed := await reader.read(min(left, 65_536))):
        left -= len(passed)
