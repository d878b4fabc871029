"""Soaks a server: `script/soak [--hours 1 | --minutes 2] [--record]`; exit 1 if something grew."""

import argparse
import asyncio
import datetime
import random
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from aiohttp import ClientSession

from benchmarks.fixtures.random_csm import make_tiny_csm
from benchmarks.soak.control import controlled
from benchmarks.soak.crowd import Crowd
from benchmarks.soak.report import Soak, again, conclude, p95s
from benchmarks.soak.series import AtRest, look, probe, quiet
from benchmarks.soak.served import IDLE_UNLOAD, Served, served
from benchmarks.soak.trouble import CLIP_WORDS, Trouble
from benchmarks.soak.visitor import Refused, Visitor

_VISITORS, _PAUSE = 8, 0.7
_TROUBLE_SECONDS = 6.0
_PROBES = {"csm": 8, "system": 30}  # each round
_READY_SECONDS = 300.0  # a child that was stopped while it loads has 120, and then loads
RECORDS = Path(__file__).parents[1]


def main() -> int:
    """Soak, write the report and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--minutes", type=float, help="instead: to try it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="for the server's files, which stay there")
    parser.add_argument("--record", action="store_true", help="write into benchmarks/, with date")
    parser.add_argument("--again", type=Path, metavar="FOLDER", help="judge a soak's files again")
    options = parser.parse_args()
    seconds = options.minutes * 60 if options.minutes else options.hours * 3600
    folder: Path = options.again or options.folder or Path(tempfile.mkdtemp(prefix="soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    soak = again(folder) if options.again else asyncio.run(run(folder, seconds, options.seed))
    good = conclude(soak, folder / "soak")
    if options.record:
        for file in folder.glob("soak.*"):
            name = f"{datetime.date.today().isoformat()}-{file.name}"
            shutil.copy(file, RECORDS / name)
    print(f"The server's files: {folder}")
    return 0 if good else 1


async def run(folder: Path, seconds: float, seed: int) -> Soak:
    """Soak a server for so long, in rounds: a crowd with trouble, then rest, and a look."""
    checkpoint = make_tiny_csm(folder / "csm", codebooks=8, positions=2048)
    chance, soak = random.Random(seed), Soak(seconds)
    async with served(folder, checkpoint) as server, controlled() as control:
        await ready(server)
        began = asyncio.get_running_loop().time()
        trouble = Trouble(server, chance, await _clip(server, folder))
        visitors = [Visitor(number, *server.ports, chance) for number in range(2, 2 + _VISITORS)]
        crowd = Crowd(visitors, chance, _PAUSE)
        async with asyncio.TaskGroup() as group:
            visiting = group.create_task(crowd.run())
            await _rounds(server, crowd, trouble, control, soak)
            visiting.cancel()
    soak.visits, soak.trouble = crowd.visits, trouble.made
    soak.died_at = [at - began for at in trouble.died_at]
    soak.failures = [(one.at - began, f"{one.visit}: {one.why}") for one in crowd.failures]
    heard = (first for visitor in visitors for first in visitor.firsts)
    soak.heard = p95s(sorted((at - began, seconds) for at, seconds in heard), 120)
    soak.exit_code = server.process.returncode
    soak.log = server.log.read_text(errors="replace").splitlines()
    return soak


async def _rounds(server: Served, crowd: Crowd, trouble: Trouble, control: int, soak: Soak) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    prober = Visitor(100, *server.ports, crowd.chance)
    length = min(45.0, max(15.0, soak.seconds / 80))

    def now() -> float:
        return loop.time() - began

    while now() < soak.seconds:
        trouble.csm_dies = now() < soak.turn
        crowd.come()
        making = asyncio.create_task(trouble.run(_TROUBLE_SECONDS))
        await asyncio.sleep(length)
        making.cancel()
        await crowd.rest()
        try:
            await ready(server)
            await quiet(server)
            for engine, times in _PROBES.items():
                for _ in range(times):
                    soak.firsts.append(await probe(server, prober, engine, control, now))
        except (TimeoutError, Refused, OSError) as error:
            crowd.failed("at rest", f"{type(error).__name__}: {error}")
        if server.process.returncode is not None:
            return
        soak.rests.append(await look(server, now(), crowd.visits.total()))
        print(_line(soak.rests[-1]), file=sys.stderr, flush=True)
        if trouble.csm_dies and len(soak.rests) % 6 == 0:
            await asyncio.sleep(IDLE_UNLOAD + 3)  # CSM falls asleep, and is woken by the crowd


async def ready(server: Served) -> None:
    """Wait until all engines can speak: a stopped or killed child is back. Raises TimeoutError."""
    async with (
        asyncio.timeout(_READY_SECONDS),
        ClientSession(f"http://127.0.0.1:{server.http_port}") as client,
    ):
        while True:
            async with client.get("/health") as answer:
                engines = (await answer.json())["engines"]
            if all(engine["phase"] in ("ready", "asleep") for engine in engines):
                return
            await asyncio.sleep(0.25)  # nobody tells


async def _clip(server: Served, folder: Path) -> Path:
    """Have the server say the words of a clip, for voices that are recorded."""
    async with ClientSession(f"http://127.0.0.1:{server.http_port}") as client:
        params = {"text": CLIP_WORDS, "voice": "system_en-US"}
        async with client.get("/api/text-to-speech", params=params) as answer:
            (folder / "clip.wav").write_bytes(await answer.read())
    return folder / "clip.wav"


def _line(rest: AtRest) -> str:
    csm, system = (one.resident / 2**20 if one else 0.0 for one in (rest.csm, rest.system))
    return (
        f"{rest.at / 60:6.1f} min: front {rest.front.resident / 2**20:.1f}, csm {csm:.1f},"
        f" system {system:.1f} MiB; {rest.front.descriptors} descriptors, {rest.tasks} tasks,"
        f" {rest.front.threads} threads, {rest.temporary} files; {rest.visits} visits"
    )


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
