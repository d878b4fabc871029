"""Exit 0 if the Wyoming server in this container answers Describe: healthcheck.py [PROCESS].

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
DEFAULT = (socket.AF_INET, ("127.0.0.1", 10200))  # where the kernel may not say

Address = tuple[int, str | tuple[str | int, ...]]  # a family, and a host or path as it takes it


def main() -> int:
    complaint = "no server listens here"
    processes = [PROC / word for word in sys.argv[1:]] or servers()
    try:
        found: list[Address] = [each for one in processes for each in listening(one)]
    except PermissionError:
        found = [DEFAULT]
    for family, address in found:
        try:
            kind = ask(family, address)
        except (OSError, ValueError, AttributeError) as error:
            complaint = f"{address}: {error}"
        else:
            if kind == "info":
                return 0
            complaint = f"{address}: {kind!r} is no answer to Describe"
    print(complaint, file=sys.stderr)
    return 1


def ask(family: int, address: str | tuple[str | int, ...]) -> object:
    """The type of the event that Describe is answered with. Raises OSError, ValueError."""
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(SECONDS)
        if isinstance(address, tuple):  # from the same address: `limits.networks` lets that in
            connection.bind((address[0], 0, *address[2:]))
        connection.connect(address)
        connection.sendall(b'{"type": "describe"}\n')
        with connection.makefile("rb") as answer:
            return json.loads(answer.readline(65_536)).get("type")


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
    own = set()
    try:
        for descriptor in (process / "fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                own.add(os.readlink(descriptor))
        folder = os.readlink(process / "cwd")
    except FileNotFoundError:  # it ended
        return
    for name, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for words in table(process / "net" / name):
            if words[3] == "0A" and f"socket:[{words[9]}]" in own:
                yield from internet(family, *words[1].split(":"))
    for words in table(process / "net" / "unix"):
        if words[3] == "00010000" and f"socket:[{words[6]}]" in own and len(words) > 7:
            yield socket.AF_UNIX, os.path.join(folder, " ".join(words[7:]))


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
        yield family, ("127.0.0.1" if host == "0.0.0.0" else host, number)


if __name__ == "__main__":
    sys.exit(main())
