"""The sending side of one connection: events out, how much of them is unsent, and stalls.

The transport's own buffer holds what the peer has not taken. Writing never waits, so a sentence
is generated at the engine's pace; `drained` waits before the next one is asked for.
"""

import asyncio

from wyoming.event import Event

from wyoming_csm.audio import BYTES_PER_SECOND
from wyoming_csm.errors import RequestError
from wyoming_csm.server.wire import encode

UNSENT_BYTES = BYTES_PER_SECOND // 2  # above it, nothing more is made or answered


class Stalled(RequestError):
    """The peer takes nothing any more; its connection was given up."""


class EventWriter:
    """Owns the writer of a connection, except for closing it."""

    def __init__(self, writer: asyncio.StreamWriter, stall_seconds: float) -> None:
        self._writer = writer
        self._transport = writer.transport
        self._stall_seconds = stall_seconds
        self._written = 0
        self._transport.set_write_buffer_limits(high=UNSENT_BYTES, low=UNSENT_BYTES)

    def send(self, event: Event) -> None:
        """Raises ConnectionResetError as soon as the peer is known to be gone."""
        self.send_bytes(encode(event))

    def send_bytes(self, event: bytes) -> None:
        """The same for an event that is serialised already."""
        self._writer.write(event)
        self._written += len(event)
        if self._writer.is_closing():
            raise ConnectionResetError("the peer has left")

    async def drained(self) -> None:
        """Returns when little is unsent. Raises Stalled, ConnectionError."""
        while True:
            taken = self._taken
            try:
                async with asyncio.timeout(self._stall_seconds):
                    await self._writer.drain()
                return
            except TimeoutError:
                if self._taken == taken:
                    self._transport.abort()
                    raise Stalled(
                        f"the listener took nothing for {self._stall_seconds:g} s"
                    ) from None

    async def flushed(self) -> None:
        """Returns when nothing is unsent. Raises Stalled, ConnectionError."""
        self._transport.set_write_buffer_limits(high=0, low=0)
        await self.drained()

    @property
    def _taken(self) -> int:
        return self._written - self._transport.get_write_buffer_size()
