"""One connection of the HTTP door: aiohttp's protocol, and what admission has to know of it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import web

from wyoming_csm.config import Limits
from wyoming_csm.server.peer import UNSENT_BYTES
from wyoming_csm.within import within

FAREWELL_SECONDS = 0.25  # to tell a peer why it is sent away
_ARRIVING_SECONDS = 2.0  # from the connection to its first head

CONNECTION: "web.RequestKey[HttpConnection]" = web.RequestKey("connection")


class HttpConnection(asyncio.Protocol):
    """Passes all on to aiohttp, and closes where the peer keeps it waiting, which aiohttp would.

    A request's head has `limits.event_seconds` from its first byte on, the first request's from the
    connection's beginning on. A peer that takes nothing for `limits.stall_seconds` is given up.
    """

    def __init__(
        self,
        inner: web.RequestHandler,
        address: str,
        limits: Limits,
        left: Callable[["HttpConnection"], None],
        *,
        refused: bool = False,
    ) -> None:
        """Take the peer's address, who is told when it left, and whether every request is to be
        answered with "full"."""
        self.inner = inner
        self.address = address
        self.refused = refused
        self._clock = asyncio.get_running_loop().time
        self.last_active = self._clock()
        self._arrives_until = self.last_active + _ARRIVING_SECONDS
        self._limits = limits
        self._left = left
        self.resting = False  # what is being answered is a conversation in which nobody speaks
        # Tells the peer why it is sent away, where an answer that has begun has words for that.
        self.farewell: Callable[[str], Coroutine[Any, Any, object]] | None = None
        self._leaving: asyncio.Task[bool] | None = None
        self._is_ending = False  # as the server does
        self._awaits_last = False
        self._working = 0  # requests that are being answered
        self._timer: asyncio.TimerHandle | None = None  # for the head
        self._stall: asyncio.TimerHandle | None = None
        self._unsent = 0  # bytes, when the stall was looked at last
        self._transport: asyncio.Transport | None = None

    @property
    def busy(self) -> bool:
        return self._working > 0 and not self.resting

    @property
    def arriving(self) -> bool:
        """Return whether its first request may still be on its way."""
        return self._clock() < self._arrives_until

    @property
    def asked(self) -> bool:
        """Return whether a request came."""
        return not self._arrives_until

    def begin(self) -> None:
        """Note that a request came, whole but for its body."""
        self._working += 1
        self._arrives_until = 0.0
        self._stop_timer()

    def end(self) -> None:
        """Note that it was answered."""
        self._working -= 1
        self.resting, self.farewell = False, None
        self.last_active = self._clock()
        if self._awaits_last:
            self._await_last()
        elif self._is_ending:
            self.inner.close()

    def close_after_reply(self, *, awaits_request: bool) -> None:
        """Let it end with the reply in flight, without one at once; where another request may be
        on its way, it has two seconds to come, and is the last."""
        self._is_ending, self._awaits_last = True, awaits_request
        if self._working:  # closed, it would not take the rest of what is being answered
            return
        if awaits_request:
            self._await_last()
        else:
            self.inner.close()
            self._close_if_silent()

    def _await_last(self) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(_ARRIVING_SECONDS, self._close_if_silent)

    def _close_if_silent(self) -> None:
        """Close it behind what is still to go out."""
        if not self._working and self._transport is not None:
            self._transport.close()

    def close(self, reason: str) -> None:
        """Break it off; who can be told the reason is told it first."""
        if self._leaving is not None:
            return
        if self.farewell is None:
            self._abort()
            return
        self._leaving = asyncio.create_task(within(FAREWELL_SECONDS, self.farewell(reason)))
        self._leaving.add_done_callback(self._told)

    async def still_there(self) -> None:
        """Raise ConnectionResetError if the peer is sent away, once it was told: nothing follows
        that."""
        if self._leaving is not None:
            await asyncio.wait([self._leaving])
            raise ConnectionResetError("it was sent away")

    def _told(self, leaving: asyncio.Task[bool]) -> None:
        if not leaving.cancelled():
            leaving.exception()  # it left first
        self._abort()

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=UNSENT_BYTES, low=UNSENT_BYTES)
        self._start_timer()
        self.inner.connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_timer()
        self._stop_watching()
        self.inner.connection_lost(exc)
        self._left(self)

    def data_received(self, data: bytes) -> None:
        if not self._working:
            self._start_timer()
        self.inner.data_received(data)

    def eof_received(self) -> None:
        self.inner.eof_received()

    def pause_writing(self) -> None:
        self._watch_stall()
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self._stop_watching()
        self.inner.resume_writing()

    def _watch_stall(self) -> None:
        assert self._transport is not None
        self._unsent = self._transport.get_write_buffer_size()
        loop = asyncio.get_running_loop()
        self._stall = loop.call_later(self._limits.stall_seconds, self._look_at_stall)

    def _look_at_stall(self) -> None:
        assert self._transport is not None
        if self._transport.get_write_buffer_size() >= self._unsent:
            self._abort()
        else:
            self._watch_stall()

    def _stop_watching(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _start_timer(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._limits.event_seconds, self._abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
