"""The listening sockets: every connection comes in here, and goes out when the server stops."""

import asyncio
import errno
import logging
import os
import re
import socket
import stat
from pathlib import Path
from typing import Any

import msgspec

from wyoming_csm.config import Config
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.errors import ConfigError
from wyoming_csm.server.admission import ConnectionLimit
from wyoming_csm.server.connection import Connection, ServerContext
from wyoming_csm.server.info import InfoBytes
from wyoming_csm.server.networks import AllowList, plain_address
from wyoming_csm.server.port_holder import port_holder
from wyoming_csm.server.rate_limited_log import RateLimitedLog

_LOGGER = logging.getLogger(__name__)

_BACKLOG = 128
_KERNEL_BUFFER = 64 * 1024  # bytes: sound in there counts as heard, so it must not be minutes
_PAUSE_SECONDS = 0.5
_UNIX_PEER = "unix"


class Server:
    """Serves `engine` at the configured address, from `async with` until its end."""

    def __init__(self, config: Config, engine: Fallback) -> None:
        """Raises ConfigError."""
        self._config = config
        self._allowed = AllowList(config.limits.networks)
        self._lobby: ConnectionLimit[Connection] = ConnectionLimit(config.limits)
        self._log = RateLimitedLog(_LOGGER)
        info = InfoBytes(config, engine)
        self._shared = ServerContext(config, engine, info, self._log)
        self._sockets: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._serving: set[asyncio.Task[None]] = set()
        self._socket_file: Path | None = None

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Host and port of each TCP socket, as bound; a link-local one with its link."""
        internet = (socket.AF_INET, socket.AF_INET6)
        names = (one.getsockname() for one in self._sockets if one.family in internet)
        return tuple((_host(name), name[1]) for name in names)

    async def __aenter__(self) -> "Server":
        """Listens when this returns. Raises ConfigError if the address cannot be had."""
        uri = self._config.uri
        if uri.startswith("unix://"):
            self._socket_file = Path(uri.removeprefix("unix://"))
            self._sockets = [_listen_unix(self._socket_file)]
        else:
            self._sockets = await _listen_tcp(uri)
        _LOGGER.debug("Limits: %s", msgspec.to_builtins(self._config.limits))
        self._accepting = [asyncio.create_task(self._accept(one)) for one in self._sockets]
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._close_door()
        for connection in self._lobby:
            connection.close("the server is stopping")
        if self._serving:
            await asyncio.wait(self._serving)

    async def drain(self) -> None:
        """No new work; returns when the replies in flight are over, or their time is."""
        await self._close_door()
        for connection in self._lobby:
            connection.finish("the server is stopping")
        if self._serving:
            await asyncio.wait(self._serving, timeout=self._config.limits.shutdown_seconds)

    async def _close_door(self) -> None:
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
                    "stranger", "Refused %s: not in the networks that may connect. If it is yours,"
                    " write into config.yaml: %s", name[0], self._allowed.with_home_of(name[0]),
                )  # fmt: skip
                sock.close()
                return
            address = str(plain_address(name[0]))
        connection = Connection(sock, address, self._shared)
        evicted = self._lobby.enter(connection)
        if evicted is not None:
            self._log.warning(
                "evicted", "Too many connections: one of %s made room for %s",
                *(evicted.address, address),
            )  # fmt: skip
            evicted.close("too many connections")
        task = connection.start()
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        task.add_done_callback(lambda _: self._lobby.leave(connection))


def _host(name: tuple[Any, ...]) -> str:
    """Of a socket's own name; that of IPv6 has a link's number as its fourth part, or 0."""
    return f"{name[0]}%{socket.if_indextoname(name[3])}" if name[3:] and name[3] else str(name[0])


async def _listen_tcp(uri: str) -> list[socket.socket]:
    """A socket for each address of the host; port 0 is any free one, the same for all."""
    match = re.fullmatch(r"tcp://(?:\[(.+)\]|([^:]+)):(\d+)", uri)
    if match is None:
        raise ConfigError(f"uri: {uri!r} is not like tcp://0.0.0.0:10200")
    host, port = match[1] or match[2], int(match[3])
    if host == "*":
        raise ConfigError(f"uri: '*' is no address: tcp://0.0.0.0:{port} listens on all")
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise ConfigError(f"uri: {host!r} is not an address of this machine: {error}") from error
    sockets: list[socket.socket] = []
    failure: OSError | None = None
    for family, _, _, _, name in dict.fromkeys(found):
        try:
            sockets.append(_bind(family, (name[0], port, *name[2:])))
            port = sockets[0].getsockname()[1]
        except OSError as error:
            failure = error
            if error.errno == errno.EADDRINUSE:
                break
    if failure is not None and (not sockets or failure.errno == errno.EADDRINUSE):
        for sock in sockets:
            sock.close()
        why = failure.strerror or str(failure)
        if failure.errno == errno.EADDRINUSE and (holder := port_holder(port)):
            why += f" by {holder}"
        raise ConfigError(f"uri: {uri} cannot be had: {why}") from failure
    return sockets


def _bind(family: int, name: tuple[object, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere it would let two servers share the port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:  # the wildcard is for both kinds of addresses
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(name[0] != "::"))
        sock.bind(name)
        return _listen(sock)
    except BaseException:
        sock.close()
        raise


def _listen_unix(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        sock.bind(str(path))
        return _listen(sock)
    except OSError as error:
        sock.close()
        raise ConfigError(f"uri: unix://{path} cannot be had: {error.strerror}") from error


def _remove_stale(path: Path) -> None:
    """A socket file that nobody listens behind any more."""
    if not path.exists() or not stat.S_ISSOCK(path.stat().st_mode):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()


def _listen(sock: socket.socket) -> socket.socket:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER)  # accepted ones inherit it
    sock.listen(_BACKLOG)
    sock.setblocking(False)
    return sock
