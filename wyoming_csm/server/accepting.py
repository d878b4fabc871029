"""Connections come in at listening sockets, whichever door these are of."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from wyoming_csm.errors import ProtocolError
from wyoming_csm.faults import DOOR, switch_of
from wyoming_csm.server.proxy_header import Client, read_client
from wyoming_csm.server.rate_limited_log import RateLimitedLog

_LOGGER = logging.getLogger(__name__)

_PAUSE_SECONDS = 0.5  # after accepting failed
_MOST_UNTOLD = 256  # connections of balancers that have not said for whom

# Takes a connection and the address of its peer, or closes it. May raise OSError.
Admit = Callable[[socket.socket, object], Awaitable[None]]


class Accepting:
    """Accepts at these sockets, which become its own, until it is stopped.

    One connection at each turn of the event loop, which tells of the next one in the next turn: so
    those who keep coming hold up nobody, and no task has to live for it.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        admit: Admit,
        is_proxy: Callable[[object], bool] = lambda name: False,
        header_seconds: float = 10.0,
    ) -> None:
        """Take who is told of connections, and which peers are balancers: what is said of theirs
        is the address of the client for whom they connect, by a header that has its time."""
        if (switch := switch_of(DOOR)) is not None:
            from wyoming_csm.server.faulty_sockets import FaultyListener

            sockets = [FaultyListener(one, switch) for one in sockets]
        self.sockets = tuple(sockets)
        self._admit = admit
        self._is_proxy, self._header_seconds = is_proxy, header_seconds
        self._log = RateLimitedLog(_LOGGER)
        self._loop = asyncio.get_running_loop()
        self._coming: set[asyncio.Task[None]] = set()
        self._untold = 0  # of these
        for one in self.sockets:
            self._listen(one)

    async def stop(self) -> None:
        """Close the sockets, and what has not come in. Calling it twice is harmless."""
        sockets, self.sockets = self.sockets, ()
        for sock in sockets:
            self._loop.remove_reader(sock)
            sock.close()
        for task in self._coming:
            task.cancel()
        await asyncio.gather(*self._coming, return_exceptions=True)

    def _listen(self, listening: socket.socket) -> None:
        if listening in self.sockets:
            self._loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        try:
            sock, name = listening.accept()
        except (BlockingIOError, ConnectionError):  # the peer left before it was let in
            return
        except OSError as error:  # no descriptors left, above all
            self._log.warning("full", "No connection can be accepted: %s", error.strerror)
            self._loop.remove_reader(listening)  # trying again at once would only spin
            self._loop.call_later(_PAUSE_SECONDS, self._listen, listening)
            return
        sock.setblocking(False)
        task = self._loop.create_task(self._let_in(sock, name))
        self._coming.add(task)
        task.add_done_callback(partial(self._has_come, sock, name))

    async def _let_in(self, sock: socket.socket, name: object) -> None:
        """Let in the peer, or whom a balancer connects for. Raises ProtocolError, OSError."""
        if self._is_proxy(name):
            name = await self._client(sock) or name
        await self._admit(sock, name)

    async def _client(self, sock: socket.socket) -> Client | None:
        """Read whom a balancer connects for. What it sent already is read at once, and only so
        many may wait for what it has not. Raises ProtocolError, OSError."""
        waits = self._untold < _MOST_UNTOLD
        self._untold += 1
        try:
            async with asyncio.timeout(self._header_seconds if waits else 0):
                return await read_client(sock)
        except TimeoutError:
            raise ProtocolError(
                f"no whole PROXY header in {self._header_seconds:g} s"
                if waits
                else f"{_MOST_UNTOLD} others have not brought their PROXY header"
            ) from None
        finally:
            self._untold -= 1

    def _has_come(self, sock: socket.socket, name: Any, task: asyncio.Task[None]) -> None:
        """Close it, and tell why, if it is not in."""
        self._coming.discard(task)
        if task.cancelled():  # perhaps before it began
            sock.close()
        elif (error := task.exception()) is not None:
            sock.close()
            self._tell(name, error)

    def _tell(self, name: Any, error: BaseException) -> None:
        if isinstance(error, ProtocolError):
            self._log.warning(
                "proxy", "Refused a connection of the balancer %s (balancer.proxies): %s. It has to"
                " send one (HAProxy: `send-proxy-v2`)", name[0], error,
            )  # fmt: skip
        elif isinstance(error, OSError):
            _LOGGER.debug("%s left while it was let in: %s", name, error)
        else:  # nobody has thought of it
            self._log.exception("failed", "A connection could not be let in", error=error)
