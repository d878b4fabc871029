"""A round trip that never changes: a fixed amount of work for each line, in a process of its own.

It is timed beside each first sound, so a machine that became slower or busier is not taken for a
server that did. Half of the work needs the processor alone, half of it memory that is far apart, as
a server's does: that is what becomes slower where others use the same caches, or where the system
takes back what was not looked at for a while. `python -m benchmarks.soak.control PORT` serves it.
"""

import asyncio
import random
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from benchmarks.server import ROOT, free_port, until_open

_TURNS = 150_000  # of a loop: some 15 ms
_THINGS = 100_000  # that are looked at in no order, each of some 200 bytes: some 20 ms


async def _serve(port: int) -> None:
    things = [{"number": number} for number in range(_THINGS)]
    random.Random(0).shuffle(things)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            began = time.process_time()
            sum(number * number for number in range(_TURNS))
            sum(thing["number"] for thing in things)
            writer.write(f"{time.process_time() - began}\n".encode())
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", port) as server:
        await server.serve_forever()


@asynccontextmanager
async def controlled() -> AsyncGenerator[int]:
    """Run it until the block ends; gives its port."""
    port = free_port()
    words = (sys.executable, "-m", "benchmarks.soak.control", str(port))
    process = await asyncio.create_subprocess_exec(*words, cwd=ROOT)
    try:
        await until_open(port)
        yield port
    finally:
        with suppress(ProcessLookupError):  # Ctrl-C reached it, too
            process.terminate()
        await process.wait()


async def round_trip(port: int) -> tuple[float, float]:
    """Return the seconds of a round trip, on a connection of its own, and those that were computed
    for it."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"go\n")
    computing = float(await reader.readline())
    writer.close()
    await writer.wait_closed()
    return loop.time() - began, computing


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
