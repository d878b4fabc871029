"""The HTTP door: its sockets and who comes in, under the same limits as at Wyoming's."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.http import HttpProcessingError
from aiohttp.typedefs import Handler

from wyoming_csm.answer import AnswerContext
from wyoming_csm.config import Config
from wyoming_csm.engines.base import Engine
from wyoming_csm.server.accepting import Accepting
from wyoming_csm.server.addresses import reachable_addresses
from wyoming_csm.server.admission import Admission, plain_address
from wyoming_csm.server.http.bodies import uncompressed
from wyoming_csm.server.http.connection import CONNECTION, FAREWELL_SECONDS, HttpConnection
from wyoming_csm.server.http.guard import Guard, add_headers, guarding
from wyoming_csm.server.http.house import HOUSE, House
from wyoming_csm.server.http.judging import Judging
from wyoming_csm.server.http.metrics import Metrics
from wyoming_csm.server.http.problems import (
    Refused,
    answer_of,
    as_json,
    expect_nothing,
    note_beginning,
)
from wyoming_csm.server.http.protocol import HttpProtocol
from wyoming_csm.server.http.routes import ROUTES
from wyoming_csm.server.rate_limited_log import RateLimitedLog
from wyoming_csm.server.sockets import listen_tcp
from wyoming_csm.within import within

_LOGGER = logging.getLogger(__name__)

_MOST_REFUSED = 16  # connections that are told at one time that there is no room
# Threads: more of them would take the processor from the event loop. One makes Opus, the slowest,
# for some 30 listeners in real time.
_ENCODERS = 2
_PROBES = ("/health", "/health/live")
_SHUTDOWN_SECONDS = 1.0  # for connections that were broken off
_HEAD_BYTES = 16 * 1024  # of one line of a request's head


class HttpDoor:
    """Serves HTTP at `http.address`, from `async with` until its end."""

    def __init__(
        self,
        config: Config,
        answers: AnswerContext,
        engines: Sequence[Engine],
        look_again: Callable[[], Awaitable[None]],
        admission: Admission,
    ) -> None:
        """Take what Wyoming's door has, too: what answers are made with, the engines, what reads
        the folders of voices anew, and who is inside. Raises ConfigError."""
        self._config = config
        self._admission = admission
        self._log = RateLimitedLog(_LOGGER)
        self._encoding = ThreadPoolExecutor(_ENCODERS, "encoding")
        self._judging = Judging()
        metrics = Metrics(engines, lambda: len(admission.inside))
        self.tell = metrics.spoken  # of each answer, through whatever door
        self._house = House(
            config,
            replace(answers, tell=self.tell),
            engines,
            look_again,
            Guard(config.http),
            metrics,
            self._encoding,
            self._judging,
            self._log,
        )
        self._connections: dict[web.RequestHandler, HttpConnection] = {}
        self._refused = 0  # of these
        self._fewer = asyncio.Event()  # of these than before
        middlewares = [
            as_json(self._log),
            self._admitted,
            guarding(self._house.guard),
            uncompressed,
        ]
        self._app = web.Application(
            middlewares=middlewares, client_max_size=config.limits.upload_bytes
        )
        self._app[HOUSE] = self._house
        self._app.on_response_prepare.extend(
            (note_beginning, expect_nothing, add_headers, _say_if_last, _count)
        )
        self._app.add_routes(ROUTES)
        self._runner = web.AppRunner(
            self._app,
            handle_signals=False,
            handler_cancellation=True,
            shutdown_timeout=_SHUTDOWN_SECONDS,
        )
        self._accepting: Accepting | None = None

    @property
    def connections(self) -> tuple[HttpConnection, ...]:
        """The connections that came in here."""
        return tuple(self._connections.values())

    @property
    def port(self) -> int:
        """The port that it really has."""
        return int(self._bound[1])

    @property
    def _bound(self) -> tuple[Any, ...]:
        assert self._accepting is not None
        name: tuple[Any, ...] = self._accepting.sockets[0].getsockname()
        return name

    @property
    def url(self) -> str:
        """Return the address for people: the likeliest that this machine has now."""
        bound = self._bound[0]
        try:
            host = next(iter(reachable_addresses([bound])), plain_address(bound))
        except OSError:
            host = plain_address(bound)
        return f"http://{f'[{host}]' if host.version == 6 else host}:{self.port}/"

    async def __aenter__(self) -> "HttpDoor":
        """Listen from here on. Raises ConfigError if the address cannot be had."""
        sockets = await listen_tcp(f"tcp://{self._config.http.address}", "http.address")
        await self._runner.setup()
        seconds = self._config.limits.event_seconds
        self._accepting = Accepting(sockets, self._admit, self._admission.is_proxy, seconds)
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._stop_listening()
        for connection in self.connections:
            connection.close("the server is stopping")
        await self._runner.cleanup()
        self._encoding.shutdown(wait=False, cancel_futures=True)
        self._judging.close()

    async def drain(self) -> None:
        """Take no new work and wait until the replies in flight are over, or their time is.

        What a balancer still sends is answered, since a connection that it has begun may be the
        one for which it cannot ask another replica any more. `GET /health` tells it to.
        """
        self._house.ending.set()
        is_balanced = self._config.balancer.is_used
        if not is_balanced:
            await self._stop_listening()
        for connection in self.connections:
            connection.close_after_reply(awaits_request=is_balanced)
        await within(self._config.limits.shutdown_seconds, self._fall_silent())
        await self._stop_listening()
        for connection in self.connections:
            connection.close("the server is stopping")
        await within(2 * FAREWELL_SECONDS, self._fall_silent())

    async def _fall_silent(self) -> None:
        while self._connections:  # each of which is ending
            self._fewer.clear()
            await self._fewer.wait()

    async def _stop_listening(self) -> None:
        if self._accepting is not None:
            await self._accepting.stop()

    async def _admit(self, sock: socket.socket, name: object) -> None:
        if (address := self._admission.address_of(sock, name)) is None:
            return
        refused = self._admission.is_full_for(address)
        if refused and self._refused >= _MOST_REFUSED and not self._close_a_silent_one():
            sock.close()
            return
        server = self._runner.server
        assert server is not None
        limits = self._config.limits
        inner = HttpProtocol(
            server,
            address=address,
            log=self._log,
            loop=asyncio.get_running_loop(),
            access_log=None,  # none is kept
            logger=_JunkLog(self._log),
            keepalive_timeout=limits.idle_seconds,
            max_line_size=_HEAD_BYTES,
            max_field_size=_HEAD_BYTES,
            lingering_time=0,
            auto_decompress=False,
        )
        connection = HttpConnection(inner, address, limits, self._left, refused=refused)
        self._connections[connection.inner] = connection
        if refused:
            self._refused += 1
        else:
            self._admission.enter(connection)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, sock)
        if self._house.ending.is_set():
            connection.close_after_reply(awaits_request=True)

    def _close_a_silent_one(self) -> bool:
        """Close the first of the refused that asked for nothing yet; return false if there is
        none. They must not keep out a probe."""
        for connection in self._connections.values():
            if connection.refused and not connection.asked:
                connection.close("there is no room")
                return True
        return False

    def _left(self, connection: HttpConnection) -> None:
        self._admission.inside.discard(connection)
        if self._connections.pop(connection.inner, None) is not None:
            self._refused -= connection.refused
            self._fewer.set()

    @web.middleware
    async def _admitted(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse a request where there is no room; who only asks how the server is needs none."""
        connection = self._connections.get(request.protocol)
        if connection is None:
            raise ConnectionResetError("the client left")
        request[CONNECTION] = connection
        connection.begin()
        try:
            if not connection.refused:
                return await handler(request)
            answer = await handler(request) if request.path in _PROBES else _full()
            answer.force_close()
            return answer
        finally:
            connection.end()


class _JunkLog(logging.Logger):
    """Takes what aiohttp logs: a flood of what is no HTTP must not fill the log."""

    def __init__(self, log: RateLimitedLog) -> None:
        super().__init__(_LOGGER.name)
        self._limited = log

    def handle(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            self._limited.warning("junk", "Refused a connection that does not speak HTTP")
        elif _LOGGER.isEnabledFor(record.levelno):
            _LOGGER.handle(record)


def _full() -> web.StreamResponse:
    words = "too many are being spoken to: ask again soon"
    return answer_of(Refused(HTTPStatus.SERVICE_UNAVAILABLE, words))


async def _say_if_last(request: web.Request, response: web.StreamResponse) -> None:
    if request.app[HOUSE].ending.is_set() and response.status != HTTPStatus.SWITCHING_PROTOCOLS:
        response.force_close()
        response.headers["Connection"] = "close"  # which a balancer reads before it asks again


async def _count(request: web.Request, response: web.StreamResponse) -> None:
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "-"
    if route in _PROBES:
        return  # their 503 while engines load would look like failures of the door
    request.app[HOUSE].metrics.answered(route, response.status)
