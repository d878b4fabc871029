"""When the machine's addresses may have become others: Linux tells, elsewhere one looks again."""

import asyncio
import socket
import sys
from contextlib import suppress

_GROUPS = 0x001 | 0x010 | 0x100  # links, IPv4 and IPv6 addresses: RTMGRP_… in rtnetlink(7)
_MESSAGE_BYTES = 65_536
_SETTLE_SECONDS = (
    2.0  # changes come in groups; a new IPv6 address is tried for 1 s before it serves
)
_LOOK_SECONDS = 10.0  # where nobody tells
_LOOK_ANYWAY_SECONDS = 60.0  # where somebody does: what failed for another reason is tried again


class NetworkChanges:
    """Inside `async with` it hears of changes; what they are, a look at the addresses tells."""

    def __init__(self) -> None:
        self._told = asyncio.Event()
        self._socket: socket.socket | None = None

    async def __aenter__(self) -> "NetworkChanges":
        self._socket = _routing_socket()
        if self._socket is not None:
            asyncio.get_running_loop().add_reader(self._socket, self._hear)
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()

    async def wait(self) -> None:
        """Until it is time to look: after a change since the last time, or when in doubt."""
        patience = _LOOK_SECONDS if self._socket is None else _LOOK_ANYWAY_SECONDS
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._told.wait()
                await asyncio.sleep(_SETTLE_SECONDS)
        self._told.clear()

    def _hear(self) -> None:
        assert self._socket is not None
        with suppress(OSError):  # more came than it holds: that is news, too
            self._socket.recv(_MESSAGE_BYTES)
        self._told.set()


def _routing_socket() -> socket.socket | None:
    """None where there is none, or it may not be had."""
    if sys.platform != "linux":
        return None
    try:
        found = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    except OSError:
        return None
    try:
        found.setblocking(False)
        found.bind((0, _GROUPS))
    except OSError:
        found.close()
        return None
    return found
