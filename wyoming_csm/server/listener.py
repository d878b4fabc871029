"""The listening sockets: every connection comes in here, and goes out when the server stops."""

import asyncio
import logging
import socket
from pathlib import Path
from typing import Any

import msgspec

from wyoming_csm.answer import AnswerContext
from wyoming_csm.config import Config
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.lexicons import Lexicons
from wyoming_csm.server.admission import AllowList, plain_address, to_evict
from wyoming_csm.server.connection import Connection, ServerContext
from wyoming_csm.server.info import InfoBytes
from wyoming_csm.server.rate_limited_log import RateLimitedLog
from wyoming_csm.server.sockets import listen_tcp, listen_unix
from wyoming_csm.sound.mixer import Mixer

_LOGGER = logging.getLogger(__name__)

_PAUSE_SECONDS = 0.5
_UNIX_PEER = "unix"


class Server:
    """Serves `engine` at the configured address, from `async with` until its end."""

    def __init__(
        self,
        config: Config,
        engine: Fallback,
        mixer: Mixer | None = None,
        lexicons: Lexicons | None = None,
    ) -> None:
        """Take what is known of the voices' sound (None: nothing, and it is not written down) and
        of words (None: what the configuration's files have now)."""
        self._config = config
        self._allowed = AllowList(config.limits.networks)
        self.connections: set[Connection] = set()
        self._log = RateLimitedLog(_LOGGER)
        mixer = mixer or Mixer(config.sound)
        answers = AnswerContext(config, engine, mixer, lexicons or Lexicons(config))
        self._shared = ServerContext(config, answers, InfoBytes(config, engine), self._log)
        self._sockets: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._serving: set[asyncio.Task[None]] = set()
        self._socket_file: Path | None = None

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """The host and port of each TCP socket, as bound; a link-local host with its link."""
        internet = (socket.AF_INET, socket.AF_INET6)
        names = (one.getsockname() for one in self._sockets if one.family in internet)
        return tuple((_host(name), name[1]) for name in names)

    async def __aenter__(self) -> "Server":
        """Listen from here on. Raises ConfigError if the address cannot be had."""
        uri = self._config.uri
        if uri.startswith("unix://"):
            self._socket_file = Path(uri.removeprefix("unix://"))
            self._sockets = [listen_unix(self._socket_file)]
        else:
            self._sockets = await listen_tcp(uri)
        _LOGGER.debug("Limits: %s", msgspec.to_builtins(self._config.limits))
        self._accepting = [asyncio.create_task(self._accept(one)) for one in self._sockets]
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._stop_listening()
        for connection in self.connections:
            connection.close("the server is stopping")
        if self._serving:
            await asyncio.wait(self._serving)

    async def drain(self) -> None:
        """Take no new work and wait until the replies in flight are over, or their time is."""
        await self._stop_listening()
        limit = self._config.limits.shutdown_seconds
        if any(connection.busy for connection in self.connections):
            _LOGGER.info("Ending: replies in flight are finished first, in %.0f s at most", limit)
        for connection in self.connections:
            connection.close_after_reply("the server is stopping")
        if self._serving:
            await asyncio.wait(self._serving, timeout=limit)

    async def _stop_listening(self) -> None:
        for task in self._accepting:
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        self._accepting = []
        for sock in self._sockets:
            sock.close()
        self._sockets = []
        if self._socket_file is not None:
            self._socket_file.unlink(missing_ok=True)
            self._socket_file = None

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
                self._admit(sock, name)
            except OSError:  # it left while it was let in
                sock.close()

    def _admit(self, sock: socket.socket, name: object) -> None:
        address = _UNIX_PEER
        if isinstance(name, tuple):
            own = sock.getsockname()[0] == name[0]  # this machine, as its own health check
            if not own and not self._allowed.admits(name[0]):
                self._log.warning(
                    "network", "Refused %s: not in the networks that may connect. If it is yours,"
                    " write into config.yaml: %s", name[0], self._allowed.with_home_of(name[0]),
                )  # fmt: skip
                sock.close()
                return
            address = str(plain_address(name[0]))
        connection = Connection(sock, address, self._shared)
        evicted = to_evict(self.connections, address, self._config.limits)
        self.connections.add(connection)
        if evicted is not None:
            self.connections.discard(evicted)
            self._log.warning(
                "evicted", "Too many connections: one of %s made room for %s",
                *(evicted.address, address),
            )  # fmt: skip
            evicted.close("too many connections")
        task = connection.start()
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        task.add_done_callback(lambda _: self.connections.discard(connection))


def _host(name: tuple[Any, ...]) -> str:
    # IPv6 names have the number of a link as their fourth part, or 0.
    return f"{name[0]}%{socket.if_indextoname(name[3])}" if name[3:] and name[3] else str(name[0])
