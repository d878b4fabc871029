"""Measures Wyoming's door while HTTP clients are streamed to: `script/bench http_door`.

The server is a process of its own with both doors, its engine a real child that makes a frame each
25 ms for all who are spoken to; each HTTP client asks for another text when one is over. Prints a
table, then one line of JSON.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import msgspec
from aiohttp import ClientSession

from benchmarks.fixtures.fake_child import FakeSettings
from benchmarks.server import until_open
from benchmarks.server_overhead import (
    SPEAKING,
    STEP,
    describe,
    ms,
    report,
    resident_kib,
    start_fake_engine,
)
from wyoming_csm import __version__
from wyoming_csm.answer import AnswerContext
from wyoming_csm.config import Config, HttpConfig, Limits
from wyoming_csm.engines.child_engine import ChildEngine
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.server.admission import Admission
from wyoming_csm.server.http.door import HttpDoor
from wyoming_csm.server.listener import Server

PORT, HTTP_PORT = 10_293, 10_294
_TEXT = "A sentence. Another one. And a third."


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--describes", type=int, default=500)
    parser.add_argument("--format", default="mp3", help="that the HTTP clients ask for")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        await serve()
        return
    async with server() as process, ClientSession(f"http://127.0.0.1:{HTTP_PORT}") as client:
        before = resident_kib(process)
        idle = [await describe(PORT) for _ in range(100)]
        streamed = [0]
        speakers = [
            asyncio.create_task(stream_on(client, options.format, streamed))
            for _ in range(SPEAKING)
        ]
        await asyncio.sleep(1.0)
        busy = [await describe(PORT) for _ in range(options.describes)]
        memory = resident_kib(process)
        for speaker in speakers:
            speaker.cancel()
        await asyncio.gather(*speakers, return_exceptions=True)
    report(
        {
            "version": __version__,
            "python": sys.version.split()[0],
            "cores": os.cpu_count(),
            "streaming_http_clients": SPEAKING,
            "format": options.format,
            "bytes_streamed": streamed[0],
            "describe_idle_ms_p50": ms(idle, 50),
            "describe_busy_ms_p50": ms(busy, 50),
            "describe_busy_ms_p99": ms(busy, 99),
            "describe_busy_ms_most": max(busy) * 1000,
            "server_idle_rss_mib": before / 1024,
            "server_busy_rss_mib": memory / 1024,
        }
    )


async def stream_on(client: ClientSession, form: str, streamed: list[int]) -> None:
    """Ask for one text after the other; count the bytes that come."""
    while True:
        wish = {"input": _TEXT, "response_format": form}
        async with client.post("/v1/audio/speech", json=wish) as answer:
            answer.raise_for_status()
            async for part in answer.content.iter_any():
                streamed[0] += len(part)


@asynccontextmanager
async def server() -> AsyncGenerator[int]:
    """Serve until the block ends; gives the process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.http_door", "--serve"
    )
    try:
        await until_open(HTTP_PORT)
        yield process.pid
    finally:
        process.terminate()
        await process.wait()


async def serve() -> None:
    engine = await start_fake_engine(
        FakeSettings(frames=40, step_seconds=STEP, slots=SPEAKING), ChildEngine
    )
    config = Config(
        uri=f"tcp://127.0.0.1:{PORT}",
        http=HttpConfig(address=f"127.0.0.1:{HTTP_PORT}"),
        limits=msgspec.structs.replace(Limits(), connections_per_address=64),
    )
    context = AnswerContext.of(config, Fallback([engine]))
    admission = Admission(config.limits)

    async def look_again() -> None:
        """Find nothing new."""

    http = HttpDoor(config, context, [engine], look_again, admission)
    async with Server(config, replace(context, tell=http.tell), admission), http:
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
