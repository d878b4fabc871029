"""A raw connection to the HTTP door, from any loopback address: for what no client would send."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.server.clients import PATIENCE
from tests.server.http.doors import Doors

HEAD = b"GET /api/voices HTTP/1.1\r\nHost: localhost\r\n"


class Raw:
    """What is sent and what comes back, as bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def status(self) -> int:
        """The status of the next answer; 0: the connection ended instead."""
        async with asyncio.timeout(PATIENCE):
            with suppress(ConnectionError):
                words = (await self.reader.readline()).split()
                return int(words[1]) if len(words) > 1 else 0
        return 0

    async def rest(self) -> bytes:
        """All until the end; a reset is one."""
        found = b""
        async with asyncio.timeout(PATIENCE):
            with suppress(ConnectionError):
                while part := await self.reader.read(65_536):
                    found += part
        return found


@asynccontextmanager
async def raw(both: Doors, source: str = "127.0.0.1") -> AsyncIterator[Raw]:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", both.http.port, local_addr=(source, 0)
    )
    try:
        yield Raw(reader, writer)
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()
