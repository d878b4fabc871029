"""Soaks a server: `script/soak [--hours 1 | --minutes 2] [--record]`; exit 1 if something grew."""

import argparse
import asyncio
import datetime
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from aiohttp import ClientSession

from benchmarks.fixtures.random_csm import make_tiny_csm
from benchmarks.soak.crowd import Crowd
from benchmarks.soak.found import CUT, Soak, again
from benchmarks.soak.report import conclude, concluded
from benchmarks.soak.rounds import ready, rounds
from benchmarks.soak.served import Served, served
from benchmarks.soak.trouble import CLIP_WORDS, Trouble
from benchmarks.soak.visitor import Visitor

_VISITORS, _PAUSE = 8, 0.7
_NEVER = 86_400  # seconds without a request, after which the control's CSM would sleep
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
    print(f"The server's files: {folder}")
    if options.again:
        good = conclude(again(folder), folder / "soak")
    else:
        soak = Soak(seconds, cut=CUT)
        good = concluded(soak, run(soak, folder, options.seed), folder)
    if options.record:
        for file in folder.glob("soak.*"):
            name = f"{datetime.date.today().isoformat()}-{file.name}"
            shutil.copy(file, RECORDS / name)
    return 0 if good else 1


async def run(soak: Soak, folder: Path, seed: int) -> None:
    """Soak a server for the seconds of `soak`, which has what is found: as well where this fails,
    or is cancelled."""
    checkpoint = make_tiny_csm(folder / "csm", codebooks=8, positions=2048)
    chance, loop = random.Random(seed), asyncio.get_running_loop()
    if (task := asyncio.current_task()) is not None:
        loop.add_signal_handler(signal.SIGTERM, task.cancel)  # as SIGINT does
    async with (
        served(folder, checkpoint) as server,
        served(folder / "control", checkpoint, _NEVER) as control,
    ):
        await ready(server)
        await ready(control)
        began = loop.time()
        trouble = Trouble(server, chance, await _clip(server, folder))
        visitors = [Visitor(number, *server.ports, chance) for number in range(2, 2 + _VISITORS)]
        crowd = Crowd(visitors, chance, _PAUSE)
        try:
            async with asyncio.TaskGroup() as group:
                visiting = group.create_task(crowd.run())
                await rounds(server, crowd, trouble, control, soak)
                visiting.cancel()
            soak.cut = ""
        finally:
            soak.visits, soak.trouble = crowd.visits, trouble.made
            soak.died_at = [at - began for at in trouble.died_at]
            soak.failures = [(one.at - began, f"{one.visit}: {one.why}") for one in crowd.failures]
            heard = (first for visitor in visitors for first in visitor.firsts)
            soak.heard = sorted((at - began, round(1_000 * one)) for at, one in heard)
            soak.exit_code = await server.end()
            soak.log = server.log.read_text(errors="replace").splitlines()


async def _clip(server: Served, folder: Path) -> Path:
    """Have the server say the words of a clip, for voices that are recorded."""
    async with ClientSession(f"http://127.0.0.1:{server.http_port}") as client:
        params = {"text": CLIP_WORDS, "voice": "system_en-US"}
        async with client.get("/api/text-to-speech", params=params) as answer:
            (folder / "clip.wav").write_bytes(await answer.read())
    return folder / "clip.wav"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit("Interrupted: the report is about what there was until then.")
