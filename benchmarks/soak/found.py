"""What a soak found, and the files it is read from again: the report's, or what each round left."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec

from benchmarks.soak.judge import Points
from benchmarks.soak.series import AtRest, First

ROUNDS = "rounds.jsonl"  # in a soak's folder; a line is what was measured after one round
CUT = "ended before its time"


@dataclass
class Soak:
    """All that was measured and counted in so many `seconds`, in seconds from the start."""

    seconds: float
    rests: list[AtRest] = field(default_factory=list)
    firsts: list[First] = field(default_factory=list)
    heard: Points = field(default_factory=list)  # first sounds in the crowd, in ms
    visits: dict[str, int] = field(default_factory=dict)
    trouble: dict[str, int] = field(default_factory=dict)
    died_at: list[float] = field(default_factory=list)
    failures: list[tuple[float, str]] = field(default_factory=list)  # of those who are owed all
    log: list[str] = field(default_factory=list)
    exit_code: int | None = None
    cut: str = ""  # what is to be said of one that was interrupted, or failed itself

    @property
    def warm(self) -> float:
        """When the warm-up is over."""
        return min(600.0, self.seconds / 6)

    @property
    def turn(self) -> float:
        """Until when it is CSM's child that dies; then it is the system voice's. That one's memory
        goes up and down more, so it needs the longer life to be judged by."""
        return 0.6 * self.seconds

    @property
    def warm_rests(self) -> list[AtRest]:
        return [rest for rest in self.rests if rest.at >= self.warm]

    def phases(self, points: Points) -> list[Points]:
        """Return those after the warm-up and before the turn, and those after it."""
        return [
            [one for one in points if self.warm <= one[0] < self.turn],
            [one for one in points if one[0] >= self.turn],
        ]

    def lives(self, engine: str, kind: str) -> list[Points]:
        """Return what each process of an engine held, after that process warmed up; `kind`: a
        field of `Held`, as resident or descriptors."""
        found = defaultdict(list)
        for rest in self.rests:
            if (one := getattr(rest, engine)) is not None:
                found[one.pid].append((rest.at, getattr(one, kind)))
        warm_up = min(300.0, self.seconds / 12)
        return [
            [(at, value) for at, value in life if at >= life[0][0] + warm_up]
            for life in found.values()
        ]

    def longest_life(self, engine: str, kind: str) -> Points:
        """Return that of the process of an engine that was looked at for the longest time."""
        lives = [life for life in self.lives(engine, kind) if life]
        return max(lives, key=lambda life: life[-1][0] - life[0][0], default=[])

    def add(self, rests: list[AtRest], firsts: list[First], file: BinaryIO) -> None:
        """Add what was measured after a round, here and to the file of rounds."""
        self.rests += rests
        self.firsts += firsts
        part = Soak(self.seconds, rests, firsts)
        file.write(msgspec.json.encode(part) + b"\n")
        file.flush()


def again(folder: Path) -> Soak:
    """Read the soak of a folder: what its report says, or what its rounds left where it came to no
    report; and the server's log."""
    if (report := folder / "soak.json").exists():
        soak = msgspec.convert(msgspec.json.decode(report.read_bytes())["soak"], Soak)
    else:
        lines = (folder / ROUNDS).read_bytes().split(b"\n")[:-1]  # the last may be half a line
        parts = [msgspec.json.decode(line, type=Soak) for line in lines]
        soak = Soak(parts[0].seconds if parts else 0.0, cut=CUT)
        for part in parts:
            soak.rests += part.rests
            soak.firsts += part.firsts
    soak.log = (folder / "server.log").read_text(errors="replace").splitlines()
    return soak
