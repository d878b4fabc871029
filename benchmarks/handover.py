"""Measures what it costs to hand the only slot of a real server from one listener to another.

    script/bench handover [--rounds 5] [--sentences 6] [--tree OTHER_CHECKOUT]

Two listeners ask for several sentences each: in one run the second begins when the first is
through, in the other both ask at the same time. What the second run takes longer is shared out
over its hand-overs: the changes from one listener's sound to the other's. CSM is tiny, with random
weights and one slot, in a real child process. Prints a table, then one line of JSON.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from benchmarks import models
from benchmarks.server import ROOT, csm_served, sound

_SENTENCE = "The light in the kitchen is on, and the door to the garden is open tonight. "
_SECONDS = 1.0  # of sound, at which every sentence is cut


@dataclass(frozen=True)
class Run:
    """What two listeners received: `seconds` from the first request to the last sound."""

    seconds: float
    sound_bytes: int
    handovers: int
    gap: float  # seconds from one's last chunk to the other's first, median


async def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sentences", type=int, default=6, help="of each listener")
    parser.add_argument("--tree", type=Path, default=ROOT, help="another checkout to be measured")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        checkpoint = models.make("tiny", folder / "csm")
        served = csm_served(
            checkpoint, folder, tree=options.tree.resolve(), slots=1, max_seconds=_SECONDS
        )
        async with served as port:
            found = await measure(port, _SENTENCE * options.sentences, options.rounds)
    for name, value in found.items():
        print(f"{name:28} {value:10.2f}")
    print(json.dumps({"tree": str(options.tree), "sentences": options.sentences, **found}))


async def measure(port: int, text: str, rounds: int) -> dict[str, float]:
    """Repeat the two runs in turn, as a machine's pace changes; return medians over the rounds."""
    await one_after_other(port, text)  # what warms up has warmed up
    alone: list[Run] = []
    together: list[Run] = []
    costs: list[float] = []
    for _ in range(rounds):
        alone.append(await one_after_other(port, text))
        together.append(await at_once(port, text))
        # a sentence may be a frame shorter: the time is taken for the same length of sound
        expected = alone[-1].seconds * together[-1].sound_bytes / alone[-1].sound_bytes
        more = together[-1].handovers - alone[-1].handovers
        costs.append((together[-1].seconds - expected) / max(1, more))
    return {
        "one_after_other_s": statistics.median(run.seconds for run in alone),
        "at_once_s": statistics.median(run.seconds for run in together),
        "handovers": statistics.median(run.handovers for run in together),
        "gap_at_handover_ms": 1000 * statistics.median(run.gap for run in together),
        "handover_ms": 1000 * statistics.median(costs),
        "handover_ms_least": 1000 * min(costs),
        "handover_ms_most": 1000 * max(costs),
    }


async def one_after_other(port: int, text: str) -> Run:
    """Let the second listener ask when the first has received everything."""
    began = time.perf_counter()
    chunks = await listen(port, text, 0) + await listen(port, text, 1)
    return run_of(began, chunks)


async def at_once(port: int, text: str) -> Run:
    """Let the two listeners ask in the same moment."""
    began = time.perf_counter()
    first, second = await asyncio.gather(listen(port, text, 0), listen(port, text, 1))
    return run_of(began, first + second)


async def listen(port: int, text: str, listener: int) -> list[tuple[float, int, int]]:
    """Return the moment of each chunk that arrives, its listener and its length in bytes."""
    return [(time.perf_counter(), listener, len(audio)) async for audio in sound(port, text)]


def run_of(began: float, chunks: list[tuple[float, int, int]]) -> Run:
    """Put the chunks of both listeners in order, and look where one follows the other's.

    Raises SystemExit if there is no sound.
    """
    if not chunks:
        raise SystemExit("there was no sound")
    chunks.sort()
    gaps = [other[0] - one[0] for one, other in pairwise(chunks) if one[1] != other[1]]
    length = sum(chunk[2] for chunk in chunks)
    return Run(chunks[-1][0] - began, length, len(gaps), statistics.median(gaps))


if __name__ == "__main__":
    asyncio.run(main())
