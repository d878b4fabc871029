"""Has a peer whose input ended left, or does it still listen? TCP says the same for both.

What we send tells: a peer that left answers with a reset, within a round trip. So a reply that
has to wait sends its `audio-start` as a probe, and the socket is watched for the reset without
reading, writing or polling.
"""

import asyncio
import select
import socket

GRACE_SECONDS = 0.1  # for the reset to come back, before a probed reply costs the engine anything


class Departure:
    """What is known about one connection's peer."""

    def __init__(self) -> None:
        self.input_ended = False
        self._sure_at: float | None = None

    def probed(self) -> None:
        """Something was just sent to a peer whose input ended."""
        self._sure_at = asyncio.get_running_loop().time() + GRACE_SECONDS

    async def surely_there(self) -> None:
        """Returns when a reset would have come by now; at once for a peer that still sends."""
        if self._sure_at is not None:
            await asyncio.sleep(self._sure_at - asyncio.get_running_loop().time())


async def wait_hangup(sock: socket.socket) -> None:
    """Returns when the peer has left for good (Linux; elsewhere the next write notices).

    Registered for nothing, a descriptor is still watched for errors and hanging up.
    """
    loop = asyncio.get_running_loop()
    hangup = asyncio.Event()
    try:
        watcher = select.epoll()
    except (AttributeError, OSError):  # another platform, or no descriptor left
        await hangup.wait()
        return
    with watcher:
        watcher.register(sock.fileno(), 0)
        loop.add_reader(watcher.fileno(), hangup.set)
        try:
            await hangup.wait()
        finally:
            loop.remove_reader(watcher.fileno())
