"""One client's means: an address of its own, words that were never said, connections to break."""

import asyncio
import random
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from aiohttp import ClientSession, TCPConnector
from wyoming.event import Event, async_read_event, async_write_event

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s
CLOSING_SECONDS = 5.0  # seconds for what was sent and is not taken, then it is broken off
_THINGS = ("light", "door", "window", "heating", "garage", "washing machine", "lamp", "blind")
_WHERE = ("kitchen", "garden", "hall", "cellar", "bathroom", "attic", "bedroom", "office")
VOICES = ("system_en-US", "speaker_0", "speaker_1", "softly", "speaker_2", "guest_1", "guest_2")


class Refused(Exception):
    """The server said that it does not speak this, or ended it."""


@dataclass
class Visitor:
    """A client at 127.0.0.`number`, so that the server shares out by address as among rooms."""

    number: int
    port: int
    http_port: int
    agent_port: int
    chance: random.Random
    firsts: list[tuple[float, float]] = field(default_factory=list)  # when, seconds to first sound

    @property
    def address(self) -> str:
        return f"127.0.0.{self.number}"

    def sentence(self) -> str:
        """Make up a sentence; most were not said before."""
        thing, where = self.chance.choice(_THINGS), self.chance.choice(_WHERE)
        return f"The {thing} in the {where} is at {self.chance.randrange(1, 1000)} percent."

    def text(self, most: int = 4) -> str:
        """Make up some sentences, with what markup and signs there may be."""
        sentences = [self.sentence() for _ in range(self.chance.randint(1, most))]
        if self.chance.random() < 0.1:
            sentences.insert(0, self.chance.choice(("**Note** ", "😀 ", "- item\n", "<b>x</b> ")))
        return " ".join(sentences)

    def voice(self) -> str | None:
        """Choose a voice; some are not there at the moment."""
        return self.chance.choice((None, None, None, *VOICES))

    def noted(self, began: float) -> None:
        """Note the first sound of a text that was asked for at `began`, in the loop's time."""
        now = asyncio.get_running_loop().time()
        self.firsts.append((now, now - began))

    @asynccontextmanager
    async def connected(self, port: int, address: str = "") -> AsyncGenerator["Connection"]:
        """Be connected, from this `address` or its own; at the end it is closed, if it was not, as
        well where the server takes nothing any more."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, local_addr=(address or self.address, 0)
        )
        try:
            yield Connection(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):  # a TimeoutError is one
                async with asyncio.timeout(CLOSING_SECONDS):
                    await writer.wait_closed()
            writer.transport.abort()

    @asynccontextmanager
    async def browsing(self) -> AsyncGenerator[ClientSession]:
        """Give an HTTP client with connections of its own."""
        connector = TCPConnector(local_addr=(self.address, 0), force_close=True)
        base = f"http://127.0.0.1:{self.http_port}"
        async with ClientSession(base, connector=connector) as session:
            yield session


@dataclass(frozen=True)
class Connection:
    """An open connection, as bytes or as Wyoming's events."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *events: Event) -> None:
        for event in events:
            await async_write_event(event, self.writer)

    async def next(self) -> Event:
        """Return the next event. Raises Refused for an error, or at the end."""
        event = await async_read_event(self.reader)
        if event is None:
            raise Refused("closed")
        if event.type == "error":
            raise Refused(str(event.data.get("text")))
        return event

    async def until(self, kind: str) -> int:
        """Read up to an event of this type; return how many bytes of sound came. Raises Refused."""
        size = 0
        while (event := await self.next()).type != kind:
            size += len(event.payload or b"")
        return size

    def reset(self) -> None:
        """Break it off without a goodbye: the peer gets a reset."""
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.writer.transport.abort()

    def half_close(self) -> None:
        """End what is sent, and read on."""
        self.writer.write_eof()
