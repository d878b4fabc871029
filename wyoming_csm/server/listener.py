"""The listening sockets: every connection comes in here, and goes out when the server stops."""

import asyncio
import logging
import socket
from pathlib import Path
from typing import Any

import msgspec

from wyoming_csm.answer import AnswerContext
from wyoming_csm.config import Config
from wyoming_csm.server.accepting import Accepting
from wyoming_csm.server.admission import Admission
from wyoming_csm.server.connection import Connection, ServerContext
from wyoming_csm.server.info import InfoBytes
from wyoming_csm.server.rate_limited_log import RateLimitedLog
from wyoming_csm.server.sockets import listen_tcp, listen_unix
from wyoming_csm.within import within

_LOGGER = logging.getLogger(__name__)


class Server:
    """Answers at the configured address, from `async with` until its end."""

    def __init__(
        self,
        config: Config,
        answers: AnswerContext,
        admission: Admission | None = None,
    ) -> None:
        """Take what answers are made with, and who came in by other doors."""
        self._config = config
        self._admission = admission or Admission(config.limits, config.balancer.proxies)
        self._log = RateLimitedLog(_LOGGER)
        info = InfoBytes(config, answers.engine, answers.lexicons)
        self._shared = ServerContext(config, answers, info, self._log)
        self._accepting: Accepting | None = None
        self._serving: dict[asyncio.Task[None], Connection] = {}
        self._is_draining = False
        self._socket_file: Path | None = None

    @property
    def connections(self) -> set[Connection]:
        """The connections that came in here."""
        return {one for one in self._admission.inside if isinstance(one, Connection)}

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """The host and port of each TCP socket, as bound; a link-local host with its link."""
        sockets = self._accepting.sockets if self._accepting else ()
        internet = (socket.AF_INET, socket.AF_INET6)
        names = (one.getsockname() for one in sockets if one.family in internet)
        return tuple((_host(name), name[1]) for name in names)

    async def __aenter__(self) -> "Server":
        """Listen from here on. Raises ConfigError if the address cannot be had."""
        uri = self._config.uri
        if uri.startswith("unix://"):
            self._socket_file = Path(uri.removeprefix("unix://"))
            sockets = [listen_unix(self._socket_file)]
        else:
            sockets = await listen_tcp(uri)
        _LOGGER.debug("Limits: %s", msgspec.to_builtins(self._config.limits))
        seconds = self._config.limits.event_seconds
        self._accepting = Accepting(sockets, self._admit, self._admission.is_proxy, seconds)
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._stop_listening()
        for connection in self.connections:
            connection.close("the server is stopping")
        if self._serving:
            await asyncio.wait(self._serving)

    async def drain(self) -> None:
        """Wait until the replies in flight are over, or their time is, and take no new work.

        A balancer looks whether the server is there meanwhile, and cuts them if it is not. What it
        still sends is work like that in flight: it was not told of the end, or no other is ready.
        """
        self._is_draining = True
        if not self._config.balancer.is_used:
            await self._stop_listening()
        limit = self._config.limits.shutdown_seconds
        if any(connection.busy for connection in self.connections):
            _LOGGER.info("Ending: replies in flight are finished first, in %.0f s at most", limit)
        for connection in self.connections:
            connection.close_after_reply("the server is stopping")
        await within(limit, self._fall_silent())
        await self._stop_listening()

    async def _fall_silent(self) -> None:
        while ending := [task for task, one in self._serving.items() if one.busy]:
            await asyncio.wait(ending)

    async def _stop_listening(self) -> None:
        if self._accepting is not None:
            await self._accepting.stop()
        if self._socket_file is not None:
            self._socket_file.unlink(missing_ok=True)
            self._socket_file = None

    async def _admit(self, sock: socket.socket, name: object) -> None:
        if (address := self._admission.address_of(sock, name)) is None:
            return
        connection = Connection(sock, address, self._shared)
        if self._is_draining:
            connection.close_after_reply("the server is stopping")
        self._admission.enter(connection, name)
        task = connection.start()
        self._serving[task] = connection
        task.add_done_callback(self._serving.pop)
        task.add_done_callback(lambda _: self._admission.inside.discard(connection))


def _host(name: tuple[Any, ...]) -> str:
    # IPv6 names have the number of a link as their fourth part, or 0.
    return f"{name[0]}%{socket.if_indextoname(name[3])}" if name[3:] and name[3] else str(name[0])
