"""Measures the way from a client to an engine and back, without a model: `script/bench door`.

The server is a process of its own, its engine a real child that makes a frame each 25 ms, the
client that of the wyoming library. Prints a table, then one line of JSON.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import msgspec
from wyoming.audio import AudioChunk, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.info import Describe, Info
from wyoming.tts import Synthesize

from benchmarks.fixtures.fake_child import COMMAND, FakeSettings
from benchmarks.server import until_open
from wyoming_csm import __version__
from wyoming_csm.answer import AnswerContext
from wyoming_csm.config import Config
from wyoming_csm.engines.child_engine import ChildEngine
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.engines.watchdog import Timeouts
from wyoming_csm.server.listener import Server
from wyoming_csm.voices import Voice
from wyoming_csm.worker.protocol import Configure

Engine = TypeVar("Engine", bound=ChildEngine)

STEP = 0.025
SPEAKING = 20
PORT = 10_291


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=40)
    parser.add_argument("--describes", type=int, default=300)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        await serve()
        return
    with tempfile.TemporaryDirectory() as folder:
        start = await measure_start(Path(folder))
    async with fake_server():
        hops = [await hop() for _ in range(options.requests)]
        idle = [await describe(PORT) for _ in range(50)]
        speakers = [asyncio.create_task(speak_on()) for _ in range(SPEAKING)]
        await asyncio.sleep(1.0)
        busy = [await describe(PORT) for _ in range(options.describes)]
        for speaker in speakers:
            speaker.cancel()
        await asyncio.gather(*speakers, return_exceptions=True)
    report(
        {
            "version": __version__,
            "python": sys.version.split()[0],
            "cores": os.cpu_count(),
            **start,
            "ttfa_over_engine_ms_p50": ms(hops, 50),
            "ttfa_over_engine_ms_p95": ms(hops, 95),
            "describe_idle_ms_p50": ms(idle, 50),
            "describe_busy_ms_p50": ms(busy, 50),
            "describe_busy_ms_p99": ms(busy, 99),
            "speaking_clients": SPEAKING,
        }
    )


async def measure_start(folder: Path) -> dict[str, float]:
    """Time a process from its start to the first Describe; its memory is that after a reply."""
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "wyoming_csm", "--uri", f"tcp://127.0.0.1:{PORT}",
        "--no-zeroconf", "--data-dir", str(folder), stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await until_open(PORT)
        await describe(PORT)
        described = time.perf_counter() - began
        async with AsyncTcpClient("127.0.0.1", PORT) as client:
            await client.write_event(Synthesize("The front door is open.").event())
            while (event := await client.read_event()) and not AudioStop.is_type(event.type):
                pass
        rss = resident_kib(process.pid)
    finally:
        process.terminate()
        await process.wait()
    return {"start_to_describe_ms": described * 1000, "server_rss_mib": rss / 1024}


def resident_kib(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


async def describe(port: int) -> float:
    """Time one Describe on a connection of its own, as Home Assistant asks; in seconds."""
    began = time.perf_counter()
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Describe().event())
        event = await client.read_event()
    assert event is not None
    assert Info.is_type(event.type)
    return time.perf_counter() - began


async def hop() -> float:
    """Time the first frame from the child to its arrival here, in seconds."""
    async with AsyncTcpClient("127.0.0.1", PORT) as client:
        await client.write_event(Synthesize("One.").event())
        while (event := await client.read_event()) is not None:
            if AudioChunk.is_type(event.type):
                arrived = time.monotonic_ns()
                made = int.from_bytes(AudioChunk.from_event(event).audio[:8], "little")
                return (arrived - made) / 1e9
    raise AssertionError("no sound")


async def speak_on() -> None:
    while True:
        async with AsyncTcpClient("127.0.0.1", PORT) as client:
            await client.write_event(Synthesize("A sentence. Another one. And a third.").event())
            while (event := await client.read_event()) and not AudioStop.is_type(event.type):
                pass


@asynccontextmanager
async def fake_server(*words: str) -> AsyncGenerator[None]:
    words = words or ("benchmarks.server_overhead", "--serve")
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", *words)
    try:
        await until_open(PORT)
        yield
    finally:
        process.terminate()
        await process.wait()


async def start_fake_engine(settings: FakeSettings, make: type[Engine]) -> Engine:
    voice = Voice(name="fake_en", language="en", description="Frames by the clock", engine="fake")
    engine = make(
        Configure("fake", msgspec.to_builtins(settings), "", ""),
        voices=lambda: (voice,),
        probe=lambda: None,
        patience=Timeouts(),
        command=COMMAND,
    )
    await engine.start()
    await engine.wait_loaded()
    return engine


async def serve() -> None:
    engine = await start_fake_engine(
        FakeSettings(frames=40, step_seconds=STEP, slots=SPEAKING, stamp=True), ChildEngine
    )
    config = Config(uri=f"tcp://127.0.0.1:{PORT}")
    config = msgspec.structs.replace(
        config, limits=msgspec.structs.replace(config.limits, connections_per_address=64)
    )
    async with Server(config, AnswerContext.of(config, Fallback([engine]))):
        await asyncio.Event().wait()


def ms(seconds: Sequence[float], percentile: int) -> float:
    return statistics.quantiles(seconds, n=100, method="inclusive")[percentile - 1] * 1000


def report(found: dict[str, object]) -> None:
    for name, value in found.items():
        print(
            f"{name:28} {value:10.2f}" if isinstance(value, float) else f"{name:28} {value!s:>10}"
        )
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main())
