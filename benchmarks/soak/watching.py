"""What a process tree holds, from outside: memory, descriptors, threads, files (Linux's /proc)."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

_PROC = Path("/proc")
_KIB = 1024
_TICKS = os.sysconf("SC_CLK_TCK")


class Held(msgspec.Struct, frozen=True):
    """What one process holds: bytes of memory, counts. `allocated`: what is of no file, swapped out
    or not; `born` in seconds since the machine's start, `cpu` seconds of computing."""

    pid: int
    born: float
    cpu: float
    resident: int
    allocated: int
    descriptors: int
    deleted: int  # descriptors of files that have no name any more
    threads: int


def held(pid: int) -> Held | None:
    """Look at a process; None: it ended meanwhile."""
    folder = _PROC / str(pid)
    try:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        memory = _memory(folder / "smaps_rollup")
        targets = list(_targets(folder / "fd"))
    except (OSError, ProcessLookupError):
        return None
    if not memory:  # a zombie
        return None
    return Held(
        pid,
        int(fields[19]) / _TICKS,
        (int(fields[11]) + int(fields[12])) / _TICKS,
        memory["Rss"],
        memory["Anonymous"] + memory["Swap"],
        len(targets),
        sum(target.endswith("(deleted)") for target in targets),
        int(fields[17]),
    )


def computed(pid: int) -> float:
    """Return the seconds of computing of a process's threads that still are, to the nanosecond."""
    total = 0
    for task in (_PROC / str(pid) / "task").glob("*"):
        with suppress(OSError):
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def children(pid: int) -> list[int]:
    """Return the processes that a process started and that are not over."""
    found = []
    for folder in _PROC.glob("[0-9]*"):
        with suppress(OSError):
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid and state != "Z":
                found.append(int(folder.name))
    return found


def is_csm(pid: int) -> bool:
    """Tell whether it is CSM's child: of all only that one has torch."""
    try:
        return "libtorch" in (_PROC / str(pid) / "maps").read_text()
    except OSError:
        return False


def files(folder: Path) -> tuple[int, int]:
    """Return how many files are below a folder, and their bytes."""
    count = size = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            if path.is_file():
                count, size = count + 1, size + path.stat().st_size
    return count, size


def _memory(file: Path) -> dict[str, int]:
    lines = (line.split() for line in file.read_text().splitlines()[1:])
    return {words[0].rstrip(":"): int(words[1]) * _KIB for words in lines}


def _targets(folder: Path) -> Iterator[str]:
    for one in folder.iterdir():
        with suppress(OSError):
            yield os.readlink(one)
