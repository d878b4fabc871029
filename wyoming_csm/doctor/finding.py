"""What a check found, and what helps."""

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
