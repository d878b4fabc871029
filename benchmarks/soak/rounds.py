"""The rounds of a soak: a crowd with trouble, then rest, and what the server holds then."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import ClientError, ClientSession

from benchmarks.soak.crowd import Crowd
from benchmarks.soak.found import ROUNDS, Soak
from benchmarks.soak.series import AtRest, First, look, probe, quiet
from benchmarks.soak.served import IDLE_UNLOAD, Served
from benchmarks.soak.trouble import Trouble
from benchmarks.soak.visitor import Refused

READY_SECONDS = 300.0  # a child that was stopped while it loads has 120, and then loads
_TROUBLE_SECONDS = 6.0
_PROBES = {"csm": 24, "system": 30}  # each round


async def rounds(
    server: Served, crowd: Crowd, trouble: Trouble, control: Served, soak: Soak
) -> None:
    """Go through rounds until the time of `soak` is over or the server has ended; what is measured
    is added to it, and to a file of the server's folder."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    length = min(45.0, max(15.0, soak.seconds / 80))

    def now() -> float:
        return loop.time() - began

    with (server.folder / ROUNDS).open("wb") as file:
        while now() < soak.seconds:
            trouble.csm_dies = now() < soak.turn
            crowd.come()
            await troubled(crowd, trouble.run(_TROUBLE_SECONDS), length)
            await crowd.rest()
            rests, firsts = await at_rest(server, crowd, control, now)
            soak.add(rests, firsts, file)
            if server.process.returncode is not None:
                crowd.failed("at rest", "the server has ended")
                return
            for rest in rests:
                print(_line(rest), file=sys.stderr, flush=True)
            if trouble.csm_dies and len(soak.rests) % 6 == 0:
                await asyncio.sleep(IDLE_UNLOAD + 3)  # CSM falls asleep, and the crowd wakes it


async def troubled(crowd: Crowd, trouble: Coroutine[Any, Any, None], seconds: float) -> None:
    """Let there be trouble for so long. That it ended by an error is a failure."""
    making = asyncio.create_task(trouble)
    try:
        await asyncio.sleep(seconds)
    finally:
        making.cancel()
        [ended] = await asyncio.gather(making, return_exceptions=True)
    if isinstance(ended, Exception):
        crowd.failed("trouble", f"{type(ended).__name__}: {ended}")


async def at_rest(
    server: Served, crowd: Crowd, control: Served, now: Callable[[], float]
) -> tuple[list[AtRest], list[First]]:
    """Measure a server that nobody visits. What it does not do in time is a failure, and is not
    among what is returned."""
    rests: list[AtRest] = []
    firsts: list[First] = []
    with _told(crowd, "at rest"):
        await ready(server)
        await quiet(server)
        for engine, times in _PROBES.items():
            for _ in range(times):
                firsts.append(await probe(server, control, crowd.chance, engine, now))
    with _told(crowd, "a look at rest"):
        rests.append(await look(server, now(), crowd.visits.total()))
    return rests, firsts


async def ready(server: Served) -> None:
    """Wait until all engines can speak: a stopped or killed child is back. Raises TimeoutError,
    ClientError."""
    async with (
        asyncio.timeout(READY_SECONDS),
        ClientSession(f"http://127.0.0.1:{server.http_port}") as client,
    ):
        while True:
            async with client.get("/health") as answer:
                engines = (await answer.json())["engines"]
            if all(engine["phase"] in ("ready", "asleep") for engine in engines):
                return
            await asyncio.sleep(0.25)  # nobody tells


@contextmanager
def _told(crowd: Crowd, what: str) -> Iterator[None]:
    try:
        yield
    except (Refused, ClientError, OSError, EOFError) as error:  # a TimeoutError is an OSError
        crowd.failed(what, f"{type(error).__name__}: {error}")


def _line(rest: AtRest) -> str:
    csm, system = (one.resident / 2**20 if one else 0.0 for one in (rest.csm, rest.system))
    return (
        f"{rest.at / 60:6.1f} min: front {rest.front.resident / 2**20:.1f}, csm {csm:.1f},"
        f" system {system:.1f} MiB; {rest.front.descriptors} descriptors, {rest.tasks} tasks,"
        f" {rest.front.threads} threads, {rest.temporary} files; {rest.visits} visits"
    )
