"""What a GPU would be given, found without one: `script/bench blueprint`.

Each card is made up in a process of its own: PyTorch's CUDA build, its compiler and Triton see the
card that a stand-in for CUDA's runtime describes, the engine runs on tensors without contents, and
kernels are built but never run. A table for people, then one line of JSON.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.blueprint.cards import CARDS
from benchmarks.blueprint.stub import build, cuda_headers, environment
from benchmarks.blueprint.table import table

_FOLDER = Path(__file__).parent.parent  # of records
_CACHE = _FOLDER.parent / ".cache" / "blueprint"  # ignored by git; a second run takes half the time
_SECONDS = 1800  # a card that takes longer has failed
_DEFAULT = ",".join((*map(str, CARDS), "75:int8", "90:int8"))  # fp8 and int4 launch what int8 does


@dataclass(frozen=True)
class Wanted:
    """One card with one type of weights; our own kernels are built for all types at once."""

    capability: int
    dtype: str
    own_kernels: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cards", default=_DEFAULT, help="capability, or capability:csm.dtype")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 1) // 2))
    parser.add_argument("--record", metavar="NAME", help="write DATE-NAME under benchmarks/")
    options = parser.parse_args()
    try:
        every = wanted_of(options.cards)
    except ValueError as error:
        parser.error(str(error))
    cuda_headers()
    from wyoming_csm.model.toolchain import CURE, has_triton  # loads PyTorch, if it is one for this

    if not has_triton():
        raise SystemExit(f"No C compiler or no Python.h is here: {CURE}")
    found = look(every, options.jobs)
    record = {
        "date": datetime.date.today().isoformat(),
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in ("torch", "triton")},
        },
        "cards": found,
    }
    print(table(found))
    if options.record:
        print(f"written to {write(record, options.record)}")
    print(json.dumps(record), flush=True)
    if any("failed" in card for card in found):
        sys.exit(1)


def wanted_of(cards: str) -> list[Wanted]:
    """Read `75,90,90:int8`. Raises ValueError if there is no such card."""
    found: list[Wanted] = []
    for each in cards.split(","):
        capability, _, dtype = each.partition(":")
        if capability not in map(str, CARDS):
            raise ValueError(f"no card is {capability!r}: {', '.join(map(str, CARDS))} are")
        is_first = all(wanted.capability != int(capability) for wanted in found)
        found.append(Wanted(int(capability), dtype or "auto", is_first))
    return found


def look(every: Sequence[Wanted], jobs: int) -> list[dict[str, Any]]:
    """Return what is found for each, in their order."""
    with ThreadPoolExecutor(jobs) as pool, tempfile.TemporaryDirectory() as folder:
        return list(pool.map(lambda wanted: _look_at(wanted, Path(folder)), every))


def write(record: dict[str, Any], name: str, folder: Path = _FOLDER) -> Path:
    """Write the JSON file, and the same for people beside it."""
    path = folder / f"{record['date']}-{name}.json"
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    versions = ", ".join(f"{what} {version}" for what, version in record["versions"].items())
    lines = (
        f"# {record['date']}, what a GPU would be given",
        "",
        f"{versions}, a CUDA build; no GPU: cards are made up, nothing was run on one.",
        "`script/bench blueprint`; the real sizes. Launches a frame: of one sentence's codes;",
        "what a library is asked for counts as one.",
        "",
        *(f"    {line}".rstrip() for line in table(record["cards"]).splitlines()),
    )
    path.with_suffix(".md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _look_at(wanted: Wanted, folder: Path) -> dict[str, Any]:
    card = CARDS[wanted.capability]
    print(f"== {card.name} (sm_{wanted.capability}), {wanted.dtype}", file=sys.stderr, flush=True)
    own = folder / f"{wanted.capability}-{wanted.dtype}"
    own.mkdir()
    words = [sys.executable, "-m", "benchmarks.blueprint.one_card", "--dtype", wanted.dtype]
    words += ["--cache", str(own / "inductor"), *["--own-kernels"] * wanted.own_kernels]
    surroundings = environment(build(card, own), _CACHE)
    try:
        done = subprocess.run(
            words, env=surroundings, stdout=subprocess.PIPE, text=True, timeout=_SECONDS
        )
        done.check_returncode()
    except subprocess.SubprocessError as error:
        title = {"capability": f"sm_{wanted.capability}", "weights": wanted.dtype}
        return {**title, "failed": str(error)}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
