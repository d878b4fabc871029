"""What a balancer says before a connection, read from a real socket: for whom it connects."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from random import Random

from tests.fuzz.targets import Read, Target
from tests.server.test_proxies import FIRST, OTHERS, SIGNATURE, second
from wyoming_csm.errors import ProtocolError
from wyoming_csm.server.proxy_header import read_client

_WORDS = (
    *(
        b"PROXY ",
        b"TCP4",
        b"TCP6",
        b"UNKNOWN",
        b" ",
        b"\r\n",
        b"\n",
        b"\0",
        b"%",
        b"::",
        b"::1%a\r",
    ),
    *(b"1.2.3.4", b"01.2.3.4", b"fd00::9", b"::ffff:1.2.3.4", b"65535", b"65536", b"-1", b"+1"),
    *(b"1_0", "\u0661".encode(), "\u00b2".encode(), SIGNATURE, b"\x20", b"\x21", b"\x11", b"\x31"),
)
_LENGTHS = (0, 11, 12, 35, 36, 216, 2_048, 2_049, 65_535)


def any_header(random: Random) -> bytes:
    """A header of either version, mostly well-formed, and what a client says behind it."""
    if random.random() < 0.5:
        words = [random.choice((b"PROXY", b"PROXY", b"proxy")), random.choice(_WORDS[1:4])]
        words += random.choices(_WORDS, k=random.choice((0, 3, 4, 4, 4, 5)))
        return b" ".join(words) + random.choice((b"\r\n", b"\r\n", b"\n", b"")) + b"GET /"
    length = random.choice(_LENGTHS)
    rest = random.randbytes(random.choice((length, length, length, 3)))
    kind = bytes([random.choice((0x20, 0x21, 0x21, 0x11)), random.choice((0, 0x11, 0x21, 0x31))])
    return SIGNATURE + kind + length.to_bytes(2) + rest + b'{"type":"ping"}\n'


@asynccontextmanager
async def proxy() -> AsyncIterator[Read]:
    """A header is read as of a connection; who is named is an address, and nothing behind the
    header is taken."""

    async def read(data: bytes) -> None:
        near, far = socket.socketpair()
        with near, far:
            near.setblocking(False)
            far.sendall(data)
            far.shutdown(socket.SHUT_WR)
            client = await read_client(near)
            rest = bytearray()
            while more := await asyncio.get_running_loop().sock_recv(near, 65_536):
                rest += more
            assert data.endswith(rest)
            header = data.removesuffix(rest)
            assert header.endswith(b"\r\n") if header.startswith(b"PROXY ") else SIGNATURE in header
            if client is not None:
                host, port = client
                assert ip_address(host)
                assert "%" not in host
                assert 0 <= port <= 65_535

    yield read


def balancer_targets() -> tuple[Target, ...]:
    seeds = (FIRST, second("1.2.3.4"), second("fd00::9", more=b"\3\0\4\1\2\3\4"), *OTHERS)
    return (Target("proxy", proxy, seeds, (ProtocolError,), _WORDS, any_header, most_bytes=4_096),)
