"""The PROXY protocol: the header with which a balancer says for whom it connects.

Versions 1 and 2 of https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt. No byte behind the
header is read from the socket: what follows belongs to whoever serves the client.
"""

import asyncio
import ipaddress
import socket
import struct
from typing import NamedTuple

from wyoming_csm.errors import ProtocolError

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"  # of version 2
BEGINNINGS = (b"PROXY ", _SIGNATURE)  # of both versions: of nothing that clients say
_FIXED = struct.Struct("!BBH")  # behind it: version and command, family, bytes that follow
_MOST_BYTES = 2_048  # of those: addresses, and what a balancer adds to them
_LINE_BYTES = 107  # of version 1
_LOCAL, _PROXY = 0x20, 0x21
FOR_ITSELF = _SIGNATURE + _FIXED.pack(_LOCAL, 0, 0)  # a balancer that looks after the server
_FAMILIES = {0x11: (socket.AF_INET, 4), 0x21: (socket.AF_INET6, 16)}  # over TCP
_NAMELESS = (0x00, 0x31)  # not told; a Unix socket, where everybody is this machine


class Client(NamedTuple):
    """The client that a balancer names; what a socket says of its peer is of another type."""

    host: str  # its numeric address
    port: int


async def read_client(sock: socket.socket) -> Client | None:
    """Read the header, at once if it is there; return the client's address and port, or None where
    the balancer connects for itself, as to look after the server.

    Raises ProtocolError if it is none; ConnectionError.
    """
    begin = await _read(sock, len(_SIGNATURE))
    if begin == _SIGNATURE:
        return await _second(sock)
    if begin.startswith(b"PROXY "):
        return await _first(sock, begin)
    raise ProtocolError("no PROXY header")


async def _first(sock: socket.socket, line: bytes) -> Client | None:
    while not line.endswith(b"\r\n"):
        if len(line) == _LINE_BYTES:
            raise ProtocolError(f"a PROXY line of more than {_LINE_BYTES} bytes")
        line += await _read(sock, 1)
    words = line[:-2].decode("ascii", "replace").split(" ")
    if words[1] == "UNKNOWN":
        return None
    version = {"TCP4": 4, "TCP6": 6}.get(words[1])
    try:
        if len(words) != 6:
            raise ValueError(f"{len(words)} words instead of 6")
        source, target, source_port, target_port = words[2:]
        if "%" in source + target:  # a scope could be any text, for the log as well
            raise ValueError("an address with a scope")
        hosts = [ipaddress.ip_address(host) for host in (source, target)]
        if any(host.version != version for host in hosts):
            raise ValueError("an address of another kind")
        _port(target_port)
        return Client(source, _port(source_port))
    except ValueError as error:
        raise ProtocolError(f"a PROXY line that is not as it must be: {error}") from None


def _port(word: str) -> int:
    if not (word.isdecimal() and int(word) <= 65_535):
        raise ValueError("a port that is none")
    return int(word)


async def _second(sock: socket.socket) -> Client | None:
    command, kind, length = _FIXED.unpack(await _read(sock, _FIXED.size))
    if length > _MOST_BYTES:
        raise ProtocolError(f"a PROXY header of more than {_MOST_BYTES} bytes")
    rest = await _read(sock, length)
    if command == _LOCAL or (command == _PROXY and kind in _NAMELESS):
        return None
    if command != _PROXY or kind not in _FAMILIES:
        raise ProtocolError(f"a PROXY header of an unknown kind: {command:#04x} {kind:#04x}")
    family, width = _FAMILIES[kind]
    if length < 2 * width + 4:
        raise ProtocolError("a PROXY header without its addresses")
    port = int.from_bytes(rest[2 * width :][:2])
    return Client(socket.inet_ntop(family, rest[:width]), port)


async def _read(sock: socket.socket, count: int) -> bytes:
    """Read exactly so many bytes."""
    loop, found = asyncio.get_running_loop(), b""
    while len(found) < count:
        if not (more := await loop.sock_recv(sock, count - len(found))):
            raise ProtocolError("the connection ended within the PROXY header")
        found += more
    return found
