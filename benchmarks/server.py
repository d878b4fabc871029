"""A real server with a CSM of random weights, started as users do and spoken to by its socket.

Only what users see is used (the command line, the configuration, events), so that the same code can
measure other checkouts of this repository.
"""

import asyncio
import json
import os
import secrets
import socket
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

from wyoming.audio import AudioChunk, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.tts import Synthesize

ROOT = Path(__file__).parents[1]
_START_SECONDS = 120.0


@asynccontextmanager
async def csm_served(
    checkpoint: Path,
    folder: Path,
    *,
    tree: Path = ROOT,
    environment: Mapping[str, str] | None = None,
    **csm: object,
) -> AsyncGenerator[int]:
    """Serve a checkpoint with the code of `tree` until the block ends; gives the port.

    CSM is the only engine and has spoken once. `csm` are settings of that section; `folder` is
    for what the server writes.
    """
    port = free_port()
    config = {
        "engines": ["csm"],
        "voices": str(folder / "voices"),
        "data_dir": str(folder / "data"),
        "log": {"level": "ERROR"},
        "csm": {"checkpoint": str(checkpoint), "device": "cpu", "compile": False, **csm},
    }
    file = folder / "config.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    # threads that spin while they wait would be measured instead of the server
    quiet = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    path = os.pathsep.join(filter(None, [str(tree), (environment or {}).get("PYTHONPATH")]))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "wyoming_csm", "--config", str(file), "--no-zeroconf",
        "--uri", f"tcp://127.0.0.1:{port}",
        cwd=tree, env={**os.environ, **quiet, **(environment or {}), "PYTHONPATH": path},
    )  # fmt: skip
    try:
        async with asyncio.timeout(_START_SECONDS):
            await until_open(port)
            await until_speaking(port)
        yield port
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


_given: set[int] = set()


def free_port() -> int:
    """Return a port of this machine that nothing listens on, never one twice, and by chance another
    than others get: below those that connections come from, so none takes it meanwhile."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        if port in _given:
            continue
        _given.add(port)
        with closing(socket.socket()) as probe, suppress(OSError):
            probe.bind(("", port))
            return port


async def until_open(*ports: int) -> None:
    """Wait until a server listens on all of these; raises TimeoutError after 30 s.

    It opens one after the other, so that one alone says nothing of the next.
    """
    async with asyncio.timeout(30):
        for port in ports:
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except ConnectionRefusedError:
                    await asyncio.sleep(0.005)  # the measured process announces nothing
                else:
                    writer.close()
                    break


async def until_speaking(port: int) -> None:
    """Ask for a word until there is sound; a server that loads refuses instead."""
    while True:
        if await bytes_spoken(port, "Yes."):
            return
        await asyncio.sleep(0.1)


async def sound(port: int, text: str) -> AsyncGenerator[bytes]:
    """Ask for a text on a new connection and give its chunks of sound; none if it is refused."""
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Synthesize(text).event())
        while (event := await client.read_event()) and not AudioStop.is_type(event.type):
            if Error.is_type(event.type):
                return
            if AudioChunk.is_type(event.type):
                yield AudioChunk.from_event(event).audio


async def bytes_spoken(port: int, text: str) -> int:
    """Let a text be spoken to its end and return the length of its sound in bytes."""
    return sum([len(audio) async for audio in sound(port, text)])
