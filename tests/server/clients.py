"""What the server's tests connect with: a server on a free port, and clients of several manners."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import pytest
from wyoming.audio import AudioChunk
from wyoming.client import AsyncTcpClient
from wyoming.event import Event, async_read_event
from wyoming.tts import Synthesize

from tests.fakes import AS_MADE, FakeEngine
from wyoming_csm.answer import AnswerContext
from wyoming_csm.config import Config, Limits
from wyoming_csm.engines.base import Engine
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.server.listener import Server
from wyoming_csm.server.wire import encode

PATIENCE = 20.0  # seconds; only a failing test waits so long, or a machine that has much to do


@asynccontextmanager
async def serving(
    engine: Engine | Fallback,
    *,
    uri: str = "tcp://127.0.0.1:0",
    limits: Limits | None = None,
    **more: Any,
) -> AsyncIterator[Server]:
    """A server for `engine`; `more` are settings. Sound comes as it is made, if they don't say."""
    settings = {"limits": limits or Limits(), "sound": AS_MADE} | more
    config = msgspec.structs.replace(Config(), uri=uri, **settings)
    house = engine if isinstance(engine, Fallback) else Fallback([engine])
    async with Server(config, AnswerContext.of(config, house)) as server:
        yield server


def port_of(server: Server) -> int:
    return server.addresses[0][1]


def library_client(server: Server) -> AsyncTcpClient:
    """The client that Home Assistant uses."""
    return AsyncTcpClient("127.0.0.1", port_of(server))


class Peer:
    """A raw connection, from any loopback address."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *events: Event) -> None:
        await self.send_bytes(b"".join(map(encode, events)))

    async def send_bytes(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def read(self) -> Event | None:
        """The next event, None at the end; a reset is an end as well."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await async_read_event(self.reader)
        except ConnectionResetError:
            return None

    async def rest(self) -> list[Event]:
        """All events until the end."""
        found = []
        while (event := await self.read()) is not None:
            found.append(event)
        return found

    async def until(self, kind: str) -> list[Event]:
        """All events up to and with the first of this type."""
        found: list[Event] = []
        while not found or found[-1].type != kind:
            event = await self.read()
            assert event is not None, f"the end instead of {kind}: {types(found)}"
            found.append(event)
        return found


@asynccontextmanager
async def peer(server: Server, source: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Peer]:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port or port_of(server), local_addr=(source, 0)
    )
    try:
        yield Peer(reader, writer)
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def spoken_to(engine: FakeEngine, **settings: Any) -> AsyncIterator[tuple[Server, Peer]]:
    """A server, and a client whose sentence has a slot, but no sound until `hold` is set."""
    engine.hold.clear()
    async with serving(engine, **settings) as server, peer(server) as client:
        await client.send(say())
        await eventually(lambda: engine.speaking == 1)
        yield server, client


def say(text: str = "Hello.") -> Event:
    return Synthesize(text).event()


def types(events: list[Event]) -> list[str]:
    """Their types, a run of equal ones once."""
    names = [event.type for event in events]
    return [name for at, name in enumerate(names) if at == 0 or names[at - 1] != name]


def audio(events: list[Event]) -> bytes:
    chunks = [AudioChunk.from_event(one) for one in events if AudioChunk.is_type(one.type)]
    assert all((one.rate, one.width, one.channels) == (24_000, 2, 1) for one in chunks)
    return b"".join(chunk.audio for chunk in chunks)


async def eventually(condition: Callable[[], bool]) -> float:
    """Seconds until it holds. For what no event tells of; fails after PATIENCE."""
    begin = time.perf_counter()
    while not condition():
        assert time.perf_counter() < begin + PATIENCE, "it never came true"
        await asyncio.sleep(0.002)
    return time.perf_counter() - begin


def logged(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Our own lines: the loop's debug mode writes about slow moments of the machine."""
    return [record for record in caplog.records if record.name.startswith("wyoming_csm")]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in logged(caplog) if one.levelno == logging.WARNING]
