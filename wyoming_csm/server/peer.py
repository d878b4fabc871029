"""The peer of one connection: events sent to it, whether it takes them, whether it is still there.

The transport's own buffer holds what the peer has not taken. Writing never waits, so a sentence
is generated at the engine's pace; `drained` waits before the next one is asked for.

A peer whose input ended may have left or may still listen: TCP says the same for both. What we
send tells: a peer that left answers with a reset, within a round trip. So a reply that has to wait
sends its `audio-start` as a probe, and the socket is watched for the reset without reading, writing
or polling.
"""

import asyncio
import select
import socket
from contextlib import ExitStack, suppress

from wyoming.event import Event

from wyoming_csm.audio import BYTES_PER_SECOND
from wyoming_csm.errors import RequestError
from wyoming_csm.server.wire import encode, network

UNSENT_BYTES = BYTES_PER_SECOND // 2  # above it, nothing more is made or answered
GRACE_SECONDS = 0.1  # for the reset to come back, before a probed reply costs the engine anything


class Stalled(RequestError):
    """The peer takes nothing any more; its connection was given up."""


class EventWriter:
    """Owns the writer of a connection, except for closing it.

    `input_ended`: the peer sends no more, and may have left.
    """

    def __init__(self, writer: asyncio.StreamWriter, stall_seconds: float) -> None:
        self._writer = writer
        self._transport = writer.transport
        self._seconds = stall_seconds
        self._written = 0
        self._sure_at: float | None = None
        self.input_ended = False
        self._transport.set_write_buffer_limits(high=UNSENT_BYTES, low=UNSENT_BYTES)

    def send(self, event: Event | bytes) -> None:
        """Send an event, or its bytes, without waiting.

        Raises ConnectionResetError once the peer is known to be gone.
        """
        data = event if isinstance(event, bytes) else encode(event)
        self._writer.write(data)
        self._written += len(data)
        if self._writer.is_closing():
            raise ConnectionResetError("the peer has left")

    async def drained(self) -> None:
        """Wait until little is unsent. Raises Stalled, ConnectionError."""
        while True:
            taken = self._taken
            try:
                async with asyncio.timeout(self._seconds):
                    with network():
                        await self._writer.drain()
                return
            except TimeoutError:
                if self._taken == taken:
                    self._transport.abort()
                    raise Stalled(f"the listener took nothing for {self._seconds:g} s") from None

    async def flushed(self) -> None:
        """Wait until nothing is unsent. Raises Stalled, ConnectionError."""
        self._transport.set_write_buffer_limits(high=0, low=0)
        try:
            await self.drained()
        finally:
            self._transport.set_write_buffer_limits(high=UNSENT_BYTES, low=UNSENT_BYTES)

    def probed(self) -> None:
        """Note that something was just sent to a peer whose input ended."""
        self._sure_at = asyncio.get_running_loop().time() + GRACE_SECONDS

    async def surely_there(self) -> None:
        """Wait until a reset would have come; not at all for a peer that still sends."""
        if self._sure_at is not None:
            await asyncio.sleep(self._sure_at - asyncio.get_running_loop().time())

    @property
    def unsent(self) -> int:
        """Bytes that the transport holds, since the peer has not taken them."""
        return self._transport.get_write_buffer_size()

    @property
    def _taken(self) -> int:
        return self._written - self.unsent


async def wait_hangup(sock: socket.socket) -> None:
    """Wait until the peer has left for good (on Linux; elsewhere the next write notices).

    A descriptor that is registered for no event is still watched for errors and hanging up.
    """
    loop = asyncio.get_running_loop()
    hangup = asyncio.Event()
    with ExitStack() as watching:
        with suppress(AttributeError, OSError):  # another platform, or nothing left to watch with
            watcher = watching.enter_context(select.epoll())
            watcher.register(sock.fileno(), 0)
            loop.add_reader(watcher.fileno(), hangup.set)
            watching.callback(loop.remove_reader, watcher.fileno())
        await hangup.wait()
