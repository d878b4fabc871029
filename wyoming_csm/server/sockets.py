"""Opening the sockets of the configured address, or saying what stands in the way."""

import asyncio
import errno
import os
import socket
import stat
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from wyoming_csm.errors import ConfigError

_BACKLOG = 128
_KERNEL_BUFFER = 64 * 1024  # bytes: sound in there counts as received, so it must not be minutes
PROC = Path("/proc")
_LISTENING = "0A"  # in the kernel's tables, see proc(5)


async def listen_tcp(uri: str, setting: str = "uri") -> list[socket.socket]:
    """Open a socket for each address of the host; port 0 is any free one, the same for all.

    Raises ConfigError, which names the setting.
    """
    host, _, number = uri.removeprefix("tcp://").rpartition(":")
    host, port = host.strip("[]"), int(number)
    if host == "*":
        raise ConfigError(
            f"{setting}: '*' is no address: {uri.replace('*', '0.0.0.0')} listens on all"  # noqa: S104
        )
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise ConfigError(
            f"{setting}: {host!r} is not an address of this machine: {error}"
        ) from error
    sockets: list[socket.socket] = []
    failure: OSError | None = None
    for family, _, _, _, name in dict.fromkeys(found):
        try:
            sockets.append(_bind(family, (name[0], port, *name[2:])))
            port = sockets[0].getsockname()[1]
        except OSError as error:
            failure = error
            if error.errno == errno.EADDRINUSE:
                break
    if failure is not None and (not sockets or failure.errno == errno.EADDRINUSE):
        for sock in sockets:
            sock.close()
        why = os.strerror(failure.errno) if failure.errno else str(failure)
        if failure.errno == errno.EADDRINUSE and (holder := port_holder(port)):
            why += f" by {holder}"
        raise ConfigError(f"{setting}: {uri} cannot be had: {why}") from failure
    return sockets


def listen_unix(path: Path) -> socket.socket:
    """Open a Unix socket; a file that no server listens behind is replaced. Raises ConfigError."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        sock.bind(str(path))
        sock.listen(_BACKLOG)
        return _ready(sock)
    except OSError as error:
        sock.close()
        raise ConfigError(f"uri: unix://{path} cannot be had: {error.strerror}") from error


def _bind(family: int, name: tuple[Any, ...]) -> socket.socket:
    both = name[0] == "::"  # the wildcard is for both kinds of addresses
    sock = socket.create_server(name, family=family, dualstack_ipv6=both, backlog=_BACKLOG)
    return _ready(sock)


def _remove_stale(path: Path) -> None:
    if not path.exists() or not stat.S_ISSOCK(path.stat().st_mode):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()


def _ready(sock: socket.socket) -> socket.socket:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER)  # accepted ones inherit it
    sock.setblocking(False)
    return sock


def port_holder(port: int) -> str:
    """Name the process that listens on a TCP port, in words for a person; "" where unknown.

    Only root is told of the processes of other users.
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
    try:
        lines = (PROC / "net" / table).read_text().splitlines()[1:]
    except OSError:  # no Linux, or no IPv6
        return []
    fields = [line.split() for line in lines]  # number, local address, peer, state, …, inode
    return [one[9] for one in fields if one[3] == _LISTENING and int(one[1][-4:], 16) == port]


def _name(process: Path) -> str:
    words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    if ("-m", "wyoming_csm") in pairwise(words) or (
        words[1:2] and words[1].endswith("wyoming-csm")
    ):
        return "a wyoming-csm that runs already"
    return (process / "comm").read_text().strip()
