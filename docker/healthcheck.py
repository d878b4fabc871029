"""Exit 0 if the server in this container answers and can speak: healthcheck.py [PROCESS].

It must answer Wyoming's Describe, and where it serves HTTP too, GET /health: that an engine's
process answered its last heartbeat, or rests until it is needed.

The kernel is asked where it listens, as `ss` asks: the configuration may say port 0, may have been
changed since the start, and the command's words go before it.
"""

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

PROC = Path("/proc")
SECONDS = 4.0
MOST_BYTES = 65_536
DESCRIBE = b'{"type": "describe"}\n'
HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
DEFAULT = (socket.AF_INET, ("127.0.0.1", 10200))  # where the kernel may not say

Address = tuple[int, str | tuple[str | int, ...]]  # a family, and a host or path as it takes it


def main() -> int:
    processes = [PROC / word for word in sys.argv[1:]] or servers()
    try:
        found: list[Address] = [each for one in processes for each in listening(one)]
    except PermissionError:
        found = [DEFAULT]
    complaints, wyoming = [], None
    for family, address in found:
        # Wyoming's sockets are the first that are opened, and all have one port.
        question = DESCRIBE if wyoming in (None, port_of(address)) else HEALTH
        try:
            answer = ask(family, address, question)
            if answer.startswith(b"HTTP/") and question is DESCRIBE:
                answer = ask(family, address, HEALTH)
            if answer.startswith(b"HTTP/"):
                if answer.split(b" ", 2)[1] != b"200":
                    told = answer.partition(b"\r\n\r\n")[2].decode(errors="replace").strip()
                    return complain([f"{address}: no engine can speak: {told}"])
                continue
            kind = json.loads(answer).get("type")
        except (OSError, ValueError, AttributeError, IndexError) as error:
            complaints.append(f"{address}: {error}")
        else:
            wyoming = port_of(address) if kind == "info" else wyoming
            complaints.append(f"{address}: {kind!r} is no answer to Describe")
    return complain(complaints) if wyoming is None else 0


def port_of(address: str | tuple[str | int, ...]) -> str | int:
    return address[1] if isinstance(address, tuple) else address


def complain(complaints: list[str]) -> int:
    print(complaints[-1] if complaints else "no server listens here", file=sys.stderr)
    return 1


def ask(family: int, address: str | tuple[str | int, ...], question: bytes) -> bytes:
    """What comes back: of Wyoming the first line, of HTTP all. Raises OSError, ValueError."""
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(SECONDS)
        if isinstance(address, tuple):  # from the same address: `limits.networks` lets that in
            connection.bind((address[0], 0, *address[2:]))
        connection.connect(address)
        connection.sendall(question)
        with connection.makefile("rb") as answer:
            first = answer.readline(MOST_BYTES)
            return first + answer.read(MOST_BYTES) if first.startswith(b"HTTP/") else first


def servers() -> Iterator[Path]:
    """The processes of the command `wyoming-csm`, not those of its engines."""
    for process in PROC.iterdir():
        try:
            words = (
                (process / "cmdline").read_bytes().split(b"\0") if process.name.isdigit() else []
            )
        except OSError:  # it ended, or is another's
            continue
        names = [os.path.basename(word) for word in words[:6]]
        if b"wyoming-csm" in names or (b"-m", b"wyoming_csm") in pairwise(words):
            yield process


def listening(process: Path) -> Iterator[Address]:
    """Where the process takes connections. Raises PermissionError."""
    own: dict[str, int] = {}  # by socket: its descriptor, lower where it was opened earlier
    found: list[tuple[int, Address]] = []
    try:
        for descriptor in (process / "fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                own[os.readlink(descriptor)] = int(descriptor.name)
        folder = os.readlink(process / "cwd")
    except FileNotFoundError:  # it ended
        return
    for name, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for words in table(process / "net" / name):
            if words[3] == "0A" and (opened := own.get(f"socket:[{words[9]}]")) is not None:
                addresses = internet(family, *words[1].split(":"))
                found += [(opened, address) for address in addresses]
    for words in table(process / "net" / "unix"):
        opened = own.get(f"socket:[{words[6]}]")
        if words[3] == "00010000" and opened is not None and len(words) > 7:
            found.append((opened, (socket.AF_UNIX, os.path.join(folder, " ".join(words[7:])))))
    yield from (address for _, address in sorted(found, key=lambda each: each[0]))


def table(path: Path) -> list[list[str]]:
    """The lines of one of the kernel's tables, as words; without its title."""
    try:
        return [line.split() for line in path.read_text().splitlines()[1:]]
    except OSError:  # a kernel without IPv6
        return []


def internet(family: int, address: str, port: str) -> Iterator[Address]:
    """What to connect to for an address as the kernel writes it: 32 bits after 32, each as a
    number of this machine's."""
    groups = (address[at : at + 8] for at in range(0, len(address), 8))
    packed = b"".join(int(group, 16).to_bytes(4, sys.byteorder) for group in groups)
    host, number = socket.inet_ntop(family, packed), int(port, 16)
    if host.startswith("fe80:"):  # on which link, is not said here
        for link, _ in socket.if_nameindex():
            yield family, (host, number, 0, link)
    elif host == "::":
        yield family, ("::1", number)
        yield socket.AF_INET, ("127.0.0.1", number)
    else:
        yield family, ("127.0.0.1" if host == "0.0.0.0" else host, number)  # noqa: S104 -- asked whether it is


if __name__ == "__main__":
    sys.exit(main())
