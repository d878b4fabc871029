"""Sends hostile bytes to all that reads from outside: `script/fuzz` says how.

What fails is written to a folder; a file of it goes into tests/fuzz/corpus once it is mended.
"""

import argparse
import asyncio
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.fuzz.balancer import balancer_targets
from tests.fuzz.checkpoints import checkpoint_targets
from tests.fuzz.files import file_targets
from tests.fuzz.folders import folder_targets
from tests.fuzz.http import http_targets
from tests.fuzz.targets import TARGETS, Read, Target

_OFTEN = 3  # measured again, for what else the machine does, before an input counts as slow
_MOST_FAULTS = 20  # of a target, then it is given up


@dataclass
class Outcome:
    """What became of a target's inputs: how many, of a processor's seconds in all and at most."""

    target: str
    inputs: int = 0
    refused: int = 0
    seconds: float = 0.0
    most_ms: float = 0.0
    faults: list[str] = field(default_factory=list)


class Fuzzing:
    """Sends inputs to one target after the other; faults are stored in `folder`."""

    def __init__(self, folder: Path, tell: Callable[[str], None] = print) -> None:
        self._folder = folder
        self._tell = tell

    async def run(self, target: Target, inputs: int, seed: int) -> Outcome:
        """Send so many inputs, the same for the same seed."""
        random, make, outcome = (
            Random(f"{target.name} {seed}"),
            target.maker(),
            Outcome(target.name),
        )
        last = self._folder / f"{target.name}-last"  # left where the process itself ends
        async with target.reading() as read:
            for _ in range(inputs):
                data = make(random)
                if target.native:
                    last.write_bytes(data)
                await self._one(target, read, data, outcome)
                await asyncio.sleep(0)  # the loop goes round, as between a connection's events
                if len(outcome.faults) >= _MOST_FAULTS:
                    break
        last.unlink(missing_ok=True)
        return outcome

    async def _one(self, target: Target, read: Read, data: bytes, outcome: Outcome) -> None:
        outcome.inputs += 1
        seconds, refused, fault = await attempt(target, read, data)
        outcome.refused += refused
        outcome.seconds += seconds
        outcome.most_ms = max(outcome.most_ms, seconds * 1_000)
        if fault:
            path = self._folder / f"{target.name}-{len(outcome.faults)}"
            path.write_bytes(data)
            outcome.faults.append(f"{path}: {fault}")
            self._tell(f"{path}: {fault}")


async def attempt(target: Target, read: Read, data: bytes) -> tuple[float, bool, str]:
    """Send one input: seconds of the processor, for all of it or its longest step; whether it was
    refused as is allowed, or the error that should not have come, or that it took too long."""
    seconds, refused, fault = await _once(target, read, data)
    for _ in range(_OFTEN):
        if fault or seconds * 1_000 <= target.most_ms:
            break
        seconds = min(seconds, (await _once(target, read, data))[0])
    if not fault and seconds * 1_000 > target.most_ms:
        fault = f"it took {seconds * 1_000:.0f} ms of a processor"
    return seconds, refused, fault


async def _once(target: Target, read: Read, data: bytes) -> tuple[float, bool, str]:
    begin = time.process_time()
    refused, fault, longest = False, "", None
    try:
        longest = await read(data)
    except target.allowed:
        refused = True
    except Exception as error:  # what is looked for
        where = traceback.extract_tb(error.__traceback__)[-1]
        fault = f"{type(error).__name__}: {error}"[:300] + f" ({where.filename}:{where.lineno})"
    seconds = time.process_time() - begin
    return seconds if longest is None else longest, refused, fault


def main() -> int:
    parser = argparse.ArgumentParser(prog="script/fuzz")
    parser.add_argument("--events", type=int, default=100_000, help="on the wire; of others fewer")
    parser.add_argument("--only", action="append", help="a target, as wire; several times")
    parser.add_argument("--seed", type=int, default=0, help="another number: other inputs")
    parser.add_argument("--faults", type=Path, default=Path(".cache/fuzz"), help="where they go")
    words = parser.parse_args()
    words.faults.mkdir(parents=True, exist_ok=True)
    fuzzing, failed = Fuzzing(words.faults), False
    print("| target | inputs | refused | a second | longest |\n|---|---|---|---|---|")
    files = (*file_targets(), *folder_targets(), *checkpoint_targets())
    for target in (*TARGETS, *balancer_targets(), *files, *http_targets()):
        if words.only and target.name not in words.only:
            continue
        begin = time.perf_counter()
        inputs = max(100, round(words.events * target.share))
        outcome = asyncio.run(fuzzing.run(target, inputs, words.seed))
        rate = outcome.inputs / (time.perf_counter() - begin)
        print(
            f"| {target.name} | {outcome.inputs} | {outcome.refused} | {rate:.0f} |"
            f" {outcome.most_ms:.1f} ms |",
            flush=True,
        )
        failed |= bool(outcome.faults)
    return failed


if __name__ == "__main__":
    sys.exit(main())
