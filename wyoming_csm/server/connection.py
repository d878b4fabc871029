"""One connection: a receiving half that is never busy, and a speaking half, one reply at a time."""

import asyncio
import logging
import socket
from contextlib import suppress
from dataclasses import dataclass

from wyoming.error import Error
from wyoming.info import Describe
from wyoming.ping import Ping, Pong
from wyoming.tts import SynthesizeStopped

from wyoming_csm.answer import Answer, AnswerContext
from wyoming_csm.config import Config
from wyoming_csm.errors import EngineError, ProtocolError, RequestError
from wyoming_csm.server.info import InfoBytes
from wyoming_csm.server.peer import EventWriter, wait_hangup
from wyoming_csm.server.rate_limited_log import RateLimitedLog
from wyoming_csm.server.requests import Request, RequestReader, as_text
from wyoming_csm.server.sound_events import SoundEvents
from wyoming_csm.server.wire import read_event
from wyoming_csm.within import within

_LOGGER = logging.getLogger(__name__)

LINGER_SECONDS = 0.04  # closing on unread input would take our last events from the peer
STREAM_LINGER_SECONDS = 5.0  # who is writing a text may look for our last events only after it
_LINGER_BYTES = 256 * 1024  # of that input
_ERROR_SECONDS = 0.25  # for the `error` to a peer that is sent away


@dataclass(frozen=True)
class ServerContext:
    """What all connections of a server have in common."""

    config: Config
    answers: AnswerContext
    info: InfoBytes
    log: RateLimitedLog


class Connection:
    """Serves one peer until it leaves, idles too long, or is refused.

    Whatever ends a reply too early is said in an `error` before the connection closes: a client
    must never take half a message for a whole one.
    """

    def __init__(self, sock: socket.socket, address: str, shared: ServerContext) -> None:
        self.address = address
        self._sock = sock
        self._shared = shared
        self._clock = asyncio.get_running_loop().time
        self.last_active = self._clock()
        self._due: asyncio.Queue[Request | None] = asyncio.Queue()  # None: no more will come
        self._unanswered = 0
        self._requests = RequestReader(shared.config.limits, self._submit, self._complain)
        self._answer: Answer | None = None
        self._sound: SoundEvents | None = None  # of that answer
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._reason = ""
        self.arriving = False  # nobody waits for a connection's first event

    @property
    def busy(self) -> bool:
        """Return whether a request is not fully answered."""
        return self._unanswered > 0

    def start(self) -> asyncio.Task[None]:
        """Serve in a task; its end is the connection's."""
        self._task = asyncio.create_task(self._run(), name=f"wyoming {self.address}")
        self._task.add_done_callback(lambda _: self._sock.close())
        return self._task

    def close(self, reason: str) -> None:
        """Send the peer away now; `reason` is told if it was waiting for sound."""
        self._reason = reason if self.busy else ""
        if self._answer is not None:
            self._answer.cut_because = reason
        if self._task is not None:
            self._task.cancel()

    def close_after_reply(self, reason: str) -> None:
        """Begin nothing new for this peer; the reply in flight may end, its text as well, also one
        whose voice is still looked for. Before `start` it may have one reply."""
        if self._task is not None and self._answer is None and not self.busy:
            self.close(reason)
            return
        self._stopping, self._reason = True, reason

    async def _run(self) -> None:
        limits = self._shared.config.limits
        try:
            reader, writer = await asyncio.open_connection(
                sock=self._sock, limit=limits.header_bytes
            )
        except OSError:  # it left already
            return
        events = EventWriter(writer, limits.stall_seconds)
        try:
            error = await self._serve(reader, events)
            self._unanswered = 0  # what is sent now is the last: no other error follows it
            lingers = STREAM_LINGER_SECONDS if self._requests.in_stream else LINGER_SECONDS
            await _say_goodbye(reader, writer, events, error, lingers=lingers)
        except asyncio.CancelledError:
            if self._reason:
                await _say_goodbye(reader, writer, events, self._reason, _ERROR_SECONDS)
            raise
        finally:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, events: EventWriter) -> str:
        """Serve to the end; return the error to be sent before the connection closes, or ""."""
        error, log = "", self._shared.log
        try:
            async with asyncio.TaskGroup() as halves:
                receiving = halves.create_task(self._receive(reader, events))
                await self._speak(events)
                receiving.cancel()
        except* (ProtocolError, RequestError) as group:
            error = str(group.exceptions[0])
            log.warning("refused", "Refused %s: %s", self.address, error)
        except* EngineError as group:
            error = str(group.exceptions[0])
            log.warning("engine", "A reply to %s failed: %s", self.address, error)
        except* ConnectionError as group:
            _LOGGER.debug("%s left: %s", self.address, group.exceptions[0])
        except* Exception:
            error = "internal error"
            _LOGGER.exception("A connection of %s failed", self.address)
        return error

    async def _receive(self, reader: asyncio.StreamReader, events: EventWriter) -> None:
        """Run the receiving half; raises ConnectionError when the peer has left for good."""
        try:
            while await self._receive_event(reader, events):
                pass
        except (ProtocolError, RequestError) as error:
            if self._answer is not None:
                self._answer.cut_because = str(error)
            raise
        events.input_ended = True
        self._requests.end()
        self._due.put_nowait(None)
        if self._sound is not None:
            self._sound.probe()
        await wait_hangup(self._sock)
        raise ConnectionResetError("the peer hung up")

    async def _receive_event(self, reader: asyncio.StreamReader, events: EventWriter) -> bool:
        """Receive one event; return False if no more comes, or none came for too long."""
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
            events.send(self._shared.info.get())
        elif Ping.is_type(event.type):
            events.send(Pong(as_text(event.data.get("text"))).event())
        else:
            self._requests.take(event)
        await events.drained()  # a peer that takes nothing is not read from: a flood ends here
        await asyncio.sleep(0)  # nor does one that does take all hold up the others
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

    async def _speak(self, events: EventWriter) -> None:
        """Run the speaking half until all requests are answered and no more will come."""
        while (request := await self._due.get()) is not None:
            self._sound = SoundEvents(events, self._shared.config.samples_per_chunk)
            self._answer = await self._make_answer(request, self._sound)
            if events.input_ended:
                self._sound.probe()
            await self._answer.run()
            self._sound.stop()
            if request.streamed:
                events.send(SynthesizeStopped().event())
            await events.flushed()  # of a short reply nothing else waits for the peer
            self._answer = self._sound = None
            self._unanswered -= 1
            self.last_active = self._clock()
            if self._stopping:
                break
        if self._stopping and self.busy:
            raise RequestError(self._reason)

    async def _make_answer(self, request: Request, sound: SoundEvents) -> Answer:
        shared, answers = self._shared, self._shared.answers
        voice, complaint = await answers.choose(request.wanted)
        complaint = "; ".join(filter(None, (complaint, request.complaint)))
        if complaint:
            shared.log.warning(
                "voice", "A request from %s cannot be fulfilled exactly: %s; the voice is %s",
                *(self.address, complaint, voice and voice.name),
            )  # fmt: skip
        return Answer(request.text, voice, sound, answers, ssml=request.ssml, address=self.address)


async def _say_goodbye(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    events: EventWriter,
    error: str,
    seconds: float | None = None,
    lingers: float = LINGER_SECONDS,
) -> None:
    """Send an `error`, if there is one, let everything go out, and end our side."""
    with suppress(OSError, RequestError):  # it left first, or takes nothing
        if await within(seconds, _send_end(writer, events, error)):
            await within(lingers, _read_rest(reader))


async def _send_end(writer: asyncio.StreamWriter, events: EventWriter, error: str) -> None:
    if error:
        events.send(Error(text=error).event())
    await events.flushed()
    writer.write_eof()


async def _read_rest(reader: asyncio.StreamReader) -> None:
    """Read what the peer had sent before it knew of the end; a flood is not waited out."""
    left = _LINGER_BYTES
    while left > 0 and (passed := await reader.read(min(left, 65_536))):
        left -= len(passed)
