"""Which process holds a port of this machine, for the message of a start that cannot have it."""

from contextlib import suppress
from itertools import pairwise
from pathlib import Path

PROC = Path("/proc")
_LISTENING = "0A"  # in the kernel's tables, see proc(5)


def port_holder(port: int) -> str:
    """The process that listens on the TCP port, as words for a person; empty where unknown.

    Other users' processes are not told to those who are not root.
    """
    sockets = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _inodes(table, port)}
    if not sockets:
        return ""
    for process in PROC.iterdir():
        with suppress(OSError):  # it ended, or is another user's
            if process.name.isdigit() and any(
                str(descriptor.readlink()) in sockets for descriptor in (process / "fd").iterdir()
            ):
                return f"{_name(process)} (process {process.name})"
    return "another user's process"


def _inodes(table: str, port: int) -> list[str]:
    """Of the sockets that listen on the port: lines of `sl local_address … st … inode`."""
    try:
        lines = (PROC / "net" / table).read_text().splitlines()[1:]
    except OSError:  # no Linux, or no IPv6
        return []
    rows = [line.split() for line in lines]
    return [row[9] for row in rows if row[3] == _LISTENING and int(row[1][-4:], 16) == port]


def _name(process: Path) -> str:
    words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    if ("-m", "wyoming_csm") in pairwise(words) or (
        words[1:2] and words[1].endswith("wyoming-csm")
    ):
        return "a wyoming-csm that runs already"
    return (process / "comm").read_text().strip()
