"""Which modules and classes one sentence enters on its way, in the server and in CSM's child.

    python -m benchmarks.sentence_path [--tree OTHER_CHECKOUT]

A real server over a tiny CSM speaks one sentence on an open connection. What counts is what its
processes enter of the package between the event's arrival and `audio-stop`: functions by their
module, methods by the class that defines them and by that of `self`. Loading, warming up and
connecting do not count, nor does what only some of a few sentences enter, as a heartbeat does.
Prints the names, then one line of JSON.
"""

import argparse
import asyncio
import json
import os
import signal
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from wyoming.audio import AudioChunk, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.info import Describe
from wyoming.tts import Synthesize

from benchmarks import models
from benchmarks.server import ROOT, csm_served

_PACKAGE = "wyoming_csm"
_TEXTS = (
    "The light in the kitchen is on.",
    "The door of the house is open.",
    "It is raining in the garden.",
)


@dataclass(frozen=True)
class Entered:
    """Names of modules and of classes (with their module), by process."""

    front: frozenset[str]
    child: frozenset[str]
    front_classes: frozenset[str]
    child_classes: frozenset[str]

    @property
    def modules(self) -> frozenset[str]:
        """Join the modules of both processes."""
        return self.front | self.child

    @property
    def classes(self) -> frozenset[str]:
        """Join the classes of both processes."""
        return self.front_classes | self.child_classes

    def __and__(self, other: "Entered") -> "Entered":
        return Entered(
            self.front & other.front,
            self.child & other.child,
            self.front_classes & other.front_classes,
            self.child_classes & other.child_classes,
        )


async def traced(tree: Path, checkpoint: Path, folder: Path) -> Entered:
    """Run the server of `tree` and return what each of a few sentences enters."""
    records = folder / "records"
    records.mkdir()
    environment = {
        "WYOMING_CSM_TRACE": str(records),
        "PYTHONPATH": str(Path(__file__).parent / "tracer"),
    }
    served = csm_served(
        checkpoint, folder, tree=tree, environment=environment, slots=1, max_seconds=1.0
    )
    found: Entered | None = None
    async with served as port:
        for text in _TEXTS:
            entered = await one_sentence(port, text, records)
            found = entered if found is None else found & entered
    assert found is not None
    return found


async def one_sentence(port: int, text: str, records: Path) -> Entered:
    """Speak a text on an open connection and return what is entered meanwhile."""
    living = processes(records)
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Describe().event())
        await client.read_event()
        await tell(living, signal.SIGUSR1, records, "begun")
        await client.write_event(Synthesize(text).event())
        chunks = 0
        while (event := await client.read_event()) and not AudioStop.is_type(event.type):
            chunks += AudioChunk.is_type(event.type)
        await tell(living, signal.SIGUSR2, records, "json")
    if not chunks:
        raise SystemExit("there was no sound")
    return entered_by(living, records)


def processes(records: Path) -> dict[int, str]:
    """Forget earlier records; return the traced processes that live, with their command lines."""
    for old in [*records.glob("*.begun"), *records.glob("*.json")]:
        old.unlink()
    numbers = (int(path.name) for path in records.iterdir() if path.name.isdecimal())
    return {number: name for number in numbers if (name := command_of(number))}


def entered_by(living: Mapping[int, str], records: Path) -> Entered:
    """Read the records of processes, those of the server and those of children apart."""
    front: list[tuple[str, str, str]] = []
    child: list[tuple[str, str, str]] = []
    for number, command in living.items():
        entries = json.loads((records / f"{number}.json").read_text(encoding="utf-8"))
        (child if f"{_PACKAGE}.worker" in command else front).extend(entries)
    return Entered(
        frozenset(module_of(entry[0]) for entry in front),
        frozenset(module_of(entry[0]) for entry in child),
        frozenset(classes_of(front)),
        frozenset(classes_of(child)),
    )


def command_of(process: int) -> str:
    """Return the command line of a process, empty if it has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


async def tell(numbers: Iterable[int], what: signal.Signals, records: Path, ending: str) -> None:
    """Send a signal to each process and wait until its file is there."""
    for process in numbers:
        os.kill(process, what)
    async with asyncio.timeout(30):
        while True:
            if all((records / f"{process}.{ending}").exists() for process in numbers):
                return
            await asyncio.sleep(0.01)  # a traced process has no other way to answer


def module_of(file: str) -> str:
    """Return a module's name from its file: `wyoming_csm.server.wire`."""
    inside = file[file.rindex(f"{_PACKAGE}/") :]
    return inside.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def classes_of(entries: Iterable[tuple[str, str, str]]) -> set[str]:
    """Return the classes of entered functions, each with its module before it."""
    found: set[str] = set()
    for file, function, own in entries:
        if own:
            found.add(own)
        method = function.partition(".<locals>")[0]
        if "." in method:
            found.add(f"{module_of(file)}.{method.rpartition('.')[0]}")
    return found


def lines_of(tree: Path, modules: Iterable[str]) -> int:
    """Count the lines of modules of a checkout."""
    total = 0
    for module in modules:
        file = tree / (module.replace(".", "/") + ".py")
        if not file.exists():
            file = tree / module.replace(".", "/") / "__init__.py"
        total += len(file.read_text(encoding="utf-8").splitlines())
    return total


async def traced_in(tree: Path) -> Entered:
    """Run `traced` with a checkpoint and folders made for it."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        return await traced(tree, models.make("tiny", folder / "csm"), folder)


def main() -> None:
    """Trace, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tree", type=Path, default=ROOT, help="another checkout to be traced")
    tree: Path = parser.parse_args().tree.resolve()
    found = asyncio.run(traced_in(tree))
    for title in ("front", "child", "front_classes", "child_classes"):
        names = sorted(getattr(found, title))
        print(f"{title}, {len(names)}:", *names, sep="\n  ")
    numbers = {"modules": len(found.modules), "classes": len(found.classes)}
    print(json.dumps({**numbers, "lines": lines_of(tree, found.modules)}))


if __name__ == "__main__":
    main()
