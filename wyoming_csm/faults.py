"""The fault switch, for tests and drills: what a file says goes wrong on purpose, while it says so.

The environment variable `WYOMING_CSM_FAULTS` names the file. A process looks for it as it starts:
where it is not set, nothing of what is here exists later. Each line is `WHO FAULT [NUMBER]`, who
being an engine, or `door` for the server's own process; `docs/faults.md` has them all. The file is
read again at each moment at which something could go wrong, so a drill begins and ends while the
server runs. Nobody on the network can set either.
"""

import errno
import logging
import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

_LOGGER = logging.getLogger(__name__)

VARIABLE = "WYOMING_CSM_FAULTS"
DOOR = "door"
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT

# What can go wrong with whom, and what each fault's number is.
OF_A_PROCESS: Mapping[str, str] = MappingProxyType(
    {"disk": "", "clock": "seconds that its clock is wrong by"}
)
OF_THE_DOOR: Mapping[str, str] = MappingProxyType(
    {
        "stall": "",
        "short": "bytes that are taken at once",
        "descriptors": "",
        "block": "seconds",
        **OF_A_PROCESS,
    }
)
_AT = "chunk of a sentence's sound, from 0"
OF_A_CHILD: Mapping[str, str] = MappingProxyType(
    {
        "die": _AT,
        "hang": _AT,
        "stop": _AT,
        "garbage": _AT,
        "unready": "",
        "endless": "",
        "slow": "milliseconds, more for each chunk",
        **OF_A_PROCESS,
    }
)
OF_CSM: Mapping[str, str] = MappingProxyType(
    {
        "memory": "frame of a sentence, from 0",
        "nan": "frame of a sentence, from 0",
        "babble": "",
        **OF_A_CHILD,
    }
)
FAULTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {DOOR: OF_THE_DOOR, "csm": OF_CSM, "coqui": OF_A_CHILD, "system": OF_A_CHILD}
)
_MOST = 1e9  # of any number: a clock that is wrong by more has no date


class Switch:
    """What is to go wrong with one process, now."""

    def __init__(self, path: Path, who: str, tells: bool = False) -> None:
        """Read the file for `who`, an engine or `door`; it may be missing. One that `tells` logs
        which lines say nothing, whoever is meant."""
        self._path = path
        self._who = who
        self._tells = tells
        self._told: set[str] = set()  # lines that say nothing

    def number(self, fault: str) -> float | None:
        """Return the number of a fault (0 if it has none) that is to happen now; else None."""
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return None
        if self._tells:
            self._tell({line for line in lines if line.strip() and not _is_fault(line)})
        found = filter(None, map(_read, lines))
        return next((n for who, kind, n in found if (who, kind) == (self._who, fault)), None)

    def _tell(self, wrong: set[str]) -> None:
        new = wrong - self._told
        self._told |= new  # before it is logged: a log's line asks for the time, and so for this
        for line in sorted(new):
            _LOGGER.error("%r is no fault there is: see docs/faults.md", line)


def _is_fault(line: str) -> bool:
    found = _read(line)
    return found is not None and found[1] in FAULTS.get(found[0], ())


def _read(line: str) -> tuple[str, str, float] | None:
    """Return who, what goes wrong and its number, of a line that has this form."""
    with suppress(ValueError):
        match line.split():
            case [who, kind]:
                return who, kind, 0.0
            case [who, kind, number] if abs(amount := float(number)) <= _MOST:
                return who, kind, amount
    return None


def switch_of(who: str, tells: bool = False) -> Switch | None:
    """Return the switch of an engine or of the `door`, if there is one; the one that `tells` logs
    which lines say nothing."""
    path = os.environ.get(VARIABLE)
    return Switch(Path(path), who, tells) if path else None


def trouble_process(switch: Switch) -> None:
    """Let this process have a wrong clock or a full disk while the switch says so, to its end.
    That faults are made here is said loudly."""
    _LOGGER.warning("Faults are made here on purpose, as a file says: see %s", VARIABLE)
    right, right_ns = time.time, time.time_ns
    time.time = lambda: right() + (switch.number("clock") or 0.0)
    time.time_ns = lambda: right_ns() + int((switch.number("clock") or 0.0) * 1e9)

    def no_room(event: str, args: tuple[object, ...]) -> None:
        match event, args:
            case "open", (str() | bytes() | os.PathLike() as path, _, int(flags)):
                if not flags & _WRITING or os.fspath(path) == os.devnull:
                    return
            case "os.mkdir", (path, *_):
                pass
            case _:
                return
        if switch.number("disk") is not None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    sys.addaudithook(no_room)
