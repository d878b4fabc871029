"""Connections come in at listening sockets, whichever door these are of."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from wyoming_csm.errors import ProtocolError
from wyoming_csm.faults import DOOR, switch_of
from wyoming_csm.server.proxy_header import read_client
from wyoming_csm.server.rate_limited_log import RateLimitedLog

_LOGGER = logging.getLogger(__name__)

_PAUSE_SECONDS = 0.5  # after accepting failed
_MOST_UNTOLD = 256  # connections of balancers that have not said for whom

# Takes a connection and the address of its peer, or closes it. May raise OSError.
Admit = Callable[[socket.socket, object], Awaitable[None]]


class Accepting:
    """Accepts at these sockets, which become its own, until it is stopped."""

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
        self._untold: set[asyncio.Task[None]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        for one in self.sockets:
            self._begin(self._accept(one), one)

    async def stop(self) -> None:
        """Close the sockets. Calling it twice is harmless."""
        sockets, self.sockets = self.sockets, ()  # none is listened at again
        tasks = [*self._tasks, *self._untold]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for sock in sockets:
            sock.close()

    def _begin(self, accepting: Coroutine[Any, Any, None], listening: socket.socket) -> None:
        task = asyncio.create_task(accepting)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(partial(self._failed, listening))

    def _failed(self, listening: socket.socket, task: asyncio.Task[None]) -> None:
        """Tell what nobody has thought of, and go on."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.exception("failed", "A connection could not be let in", error=error)
            if listening in self.sockets:
                self._begin(self._accept_later(listening), listening)

    async def _accept_later(self, listening: socket.socket) -> None:
        await asyncio.sleep(_PAUSE_SECONDS)  # it may fail at once again
        await self._accept(listening)

    async def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                sock, name = listening.accept()  # the loop's may lose one when it is cancelled
            except BlockingIOError:
                await _until_readable(listening)
                continue
            except ConnectionError:  # the peer left before it was let in
                continue
            except OSError as error:  # no descriptors left, above all
                self._log.warning("full", "No connection can be accepted: %s", error.strerror)
                await asyncio.sleep(_PAUSE_SECONDS)  # trying again at once would only spin
                continue
            sock.setblocking(False)
            if not self._is_proxy(name):
                await self._let_in(sock, name)
            elif len(self._untold) < _MOST_UNTOLD:  # its header must not keep others waiting
                task = asyncio.create_task(self._let_in_behind(sock, name))
                self._untold.add(task)
                task.add_done_callback(self._untold.discard)
                task.add_done_callback(partial(_close_if_cancelled, sock))
                task.add_done_callback(partial(self._failed, sock))
            else:
                self._log.warning(
                    "untold", "Refused a connection of the balancer %s: %d others have not brought"
                    " their PROXY header", name[0], _MOST_UNTOLD,
                )  # fmt: skip
                sock.close()

    async def _let_in(self, sock: socket.socket, name: object) -> None:
        is_in = False
        try:
            await self._admit(sock, name)
            is_in = True
        except OSError as error:
            _LOGGER.debug("%s left while it was let in: %s", name, error)
        finally:
            if not is_in:
                sock.close()

    async def _let_in_behind(self, sock: socket.socket, name: tuple[str, int]) -> None:
        """Let in whom a balancer connects for, or the balancer itself."""
        told = False
        try:
            client = await read_client(sock, self._header_seconds)
            told = True
        except ProtocolError as error:
            self._log.warning(
                "proxy", "Refused a connection of the balancer %s (balancer.proxies): %s. It has to"
                " send one (HAProxy: `send-proxy-v2`)", name[0], error,
            )  # fmt: skip
        except OSError as error:
            _LOGGER.debug("The balancer %s left: %s", name[0], error)
        finally:
            if not told:
                sock.close()
        if told:
            await self._let_in(sock, client or name)


async def _until_readable(sock: socket.socket) -> None:
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sock, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(sock)


def _close_if_cancelled(sock: socket.socket, task: asyncio.Task[None]) -> None:
    if task.cancelled():  # perhaps before it began
        sock.close()
