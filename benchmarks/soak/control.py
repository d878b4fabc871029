"""A round trip that never changes: an echo with a fixed amount of work, in a process of its own.

It is timed beside each first sound, so a machine that became slower or busier is not taken for a
server that did. `python -m benchmarks.soak.control PORT` serves it.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from benchmarks.server import ROOT, free_port, until_open

_WORK = 800_000  # turns of a loop: some 60 ms, about what a first sound takes


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        sum(number * number for number in range(_WORK))
        writer.write(line)
        await writer.drain()
    writer.close()


async def _serve(port: int) -> None:
    async with await asyncio.start_server(_answer, "127.0.0.1", port) as server:
        await server.serve_forever()


@asynccontextmanager
async def controlled() -> AsyncGenerator[int]:
    """Run the echo until the block ends; gives its port."""
    port = free_port()
    words = (sys.executable, "-m", "benchmarks.soak.control", str(port))
    process = await asyncio.create_subprocess_exec(*words, cwd=ROOT)
    try:
        await until_open(port)
        yield port
    finally:
        process.terminate()
        await process.wait()


async def round_trip(port: int) -> float:
    """Return the seconds from a line to its echo, on a connection of its own."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"echo\n")
    await reader.readline()
    writer.close()
    await writer.wait_closed()
    return loop.time() - began


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
