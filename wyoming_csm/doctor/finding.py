"""What a check found, and what helps."""

from pathlib import Path
from typing import Literal

import msgspec

Level = Literal["ok", "warn", "fail", "skip"]


class Finding(msgspec.Struct, frozen=True):
    """One line: `warn` is something that works worse than it could, `fail` what does not work;
    what was not looked at, or is not needed here, is `skip`."""

    name: str
    level: Level
    found: str
    cure: str = ""


def ok(name: str, found: str) -> Finding:
    """Say that something is as it should be."""
    return Finding(name, "ok", found)


def wrong_settings(fault: str, file: Path | None) -> Finding:
    """Say what is wrong with the settings of the `file`, or of the command line."""
    where = f"in {file}, or on the command line" if file else "on the command line"
    cure = f"correct it {where}; what follows was looked at with the defaults"
    return Finding("settings", "fail", fault, cure)
