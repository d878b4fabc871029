"""Connections come in at listening sockets, whichever door these are of."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence

from wyoming_csm.faults import DOOR, switch_of
from wyoming_csm.server.rate_limited_log import RateLimitedLog

_LOGGER = logging.getLogger(__name__)

_PAUSE_SECONDS = 0.5  # after accepting failed

# Takes a connection and the address of its peer, or closes it. May raise OSError.
Admit = Callable[[socket.socket, object], Awaitable[None]]


class Accepting:
    """Accepts at these sockets, which become its own, until it is stopped."""

    def __init__(self, sockets: Sequence[socket.socket], admit: Admit) -> None:
        if (switch := switch_of(DOOR)) is not None:
            from wyoming_csm.server.faulty_sockets import FaultyListener

            sockets = [FaultyListener(one, switch) for one in sockets]
        self.sockets = tuple(sockets)
        self._admit = admit
        self._log = RateLimitedLog(_LOGGER)
        self._tasks = [asyncio.create_task(self._accept(one)) for one in self.sockets]

    async def stop(self) -> None:
        """Close the sockets. Calling it twice is harmless."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for sock in self.sockets:
            sock.close()
        self.sockets = ()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, name = await loop.sock_accept(listening)
            except ConnectionError:  # the peer left before it was let in
                continue
            except OSError as error:  # no descriptors left, above all
                self._log.warning("full", "No connection can be accepted: %s", error.strerror)
                await asyncio.sleep(_PAUSE_SECONDS)  # trying again at once would only spin
                continue
            try:
                await self._admit(sock, name)
            except OSError:  # it left while it was let in
                sock.close()
