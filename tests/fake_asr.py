"""Speech-to-text servers on loopback: one that tells words or anything else, one that is silent."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from wyoming.asr import Transcript
from wyoming.audio import AudioStop
from wyoming.event import Event, async_read_event, async_write_event

WORDS = "To be or not to be, that is the question."


@asynccontextmanager
async def asr(
    told: Callable[[Event], object] = lambda event: None, answer: Event | bytes | None = None
) -> AsyncIterator[str]:
    """A speech-to-text server; it answers once the sound is over."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (event := await async_read_event(reader)) is not None:
            told(event)
            if AudioStop.is_type(event.type):
                if isinstance(answer, bytes):
                    writer.write(answer)
                else:
                    await async_write_event(answer or Transcript(f" {WORDS}\n").event(), writer)
                break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def silent() -> AsyncIterator[str]:
    """A server that takes all and says nothing."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
