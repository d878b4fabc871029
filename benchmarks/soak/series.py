"""What is measured of a soaked server at one moment: what it holds at rest, one first sound."""

import asyncio
import random
import re
from collections import defaultdict
from collections.abc import Callable

import msgspec
from aiohttp import ClientSession
from wyoming.tts import Synthesize, SynthesizeVoice

from benchmarks.soak.served import Served
from benchmarks.soak.visitor import Visitor
from benchmarks.soak.watching import Held, children, computed, files, held, is_csm

PROBED = {"system": "system_en-US", "csm": "speaker_0"}  # engine → voice
_PROBER = 100  # the last part of its address
_QUIET = 0.1  # seconds of computing in a second: hearts beat, folders are looked at
_LOOKS = 5  # at rest; the least counts, since the server's own watches come and go
_LOOK_SECONDS = 0.5  # a child gives memory back after a second of rest
PATIENCE = 60.0  # seconds of a sentence, or of a look: more, and it is waited for in vain


class AtRest(msgspec.Struct, frozen=True):
    """A moment when nobody is served, in seconds from the start."""

    at: float
    front: Held
    csm: Held | None
    system: Held | None
    tasks: int
    connections: int
    temporary: int  # files
    data_bytes: int
    log_bytes: int
    visits: int  # until then


class First(msgspec.Struct, frozen=True, array_like=True):
    """A first sound, and beside it that of the control, an equal server that nobody else visits, in
    seconds; `computing`: seconds that each with its children computed until the sentence's end."""

    at: float
    engine: str
    seconds: float
    control: float
    computing: float
    control_computing: float


async def probe(
    served: Served, control: Served, chance: random.Random, engine: str, now: Callable[[], float]
) -> First:
    """Time the first sound of one sentence, the control's first. Raises TimeoutError where it does
    not end, Refused, OSError."""
    visitors = [Visitor(_PROBER, *one.ports, chance) for one in (control, served)]
    asked = Synthesize(visitors[0].sentence(), voice=SynthesizeVoice(name=PROBED[engine]))
    async with asyncio.timeout(PATIENCE):
        beside, beside_computing = await _first_sound(control, visitors[0], asked)
        seconds, computing = await _first_sound(served, visitors[1], asked)
    return First(now(), engine, seconds, beside, computing, beside_computing)


async def _first_sound(served: Served, visitor: Visitor, asked: Synthesize) -> tuple[float, float]:
    """Return the seconds to the first sound, and those of computing to the end."""
    clock = asyncio.get_running_loop().time
    async with visitor.connected(visitor.port) as door:
        before, began = _computed(served), clock()
        await door.send(asked.event())
        while (await door.next()).type != "audio-chunk":
            pass
        seconds = clock() - began
        await door.until("audio-stop")
        return seconds, _computed(served) - before


async def quiet(served: Served) -> None:
    """Wait until nothing is computed for a second, as a child does after its start; 15 s at
    most."""
    for _ in range(15):
        before = _computed(served)
        await asyncio.sleep(1.0)
        if _computed(served) - before < _QUIET:
            return


def _computed(served: Served) -> float:
    pid = served.process.pid
    return sum(map(computed, (pid, *children(pid))))


async def look(served: Served, at: float, visits: int) -> AtRest:
    """Look several times at a server at rest, and return the least of what comes and goes. Raises
    TimeoutError where it does not answer, ClientError, OSError."""
    pid = served.process.pid
    fronts, counts = [], []
    async with asyncio.timeout(PATIENCE):
        for _ in range(_LOOKS):
            await asyncio.sleep(_LOOK_SECONDS)
            counts.append(await _counted(served))
            fronts.append(held(pid))
    if not (there := [one for one in fronts if one is not None]):
        raise ProcessLookupError(f"the server, process {pid}, has ended")
    least = msgspec.structs.replace(
        there[-1],
        descriptors=min(one.descriptors for one in there),
        threads=min(one.threads for one in there),
        deleted=min(one.deleted for one in there),
    )
    found = defaultdict(list)
    for child in children(pid):
        found[is_csm(child)].append(held(child))
    return AtRest(
        at,
        least,
        next(iter(found[True]), None),
        next(iter(found[False]), None),
        min(tasks for tasks, _ in counts),
        min(connections for _, connections in counts),
        files(served.temporary)[0],
        files(served.data)[1],
        served.log.stat().st_size,
        visits,
    )


async def _counted(served: Served) -> tuple[int, int]:
    """Return the front's tasks and its connections, this one included."""
    async with (
        ClientSession(f"http://127.0.0.1:{served.http_port}") as client,
        client.get("/metrics") as answer,
    ):
        text = await answer.text()
    names = ("wyoming_csm_tasks", "wyoming_csm_connections")
    tasks, connections = (
        int(float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE)[1]))  # type: ignore[index]
        for name in names
    )
    return tasks, connections
