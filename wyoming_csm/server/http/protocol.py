"""aiohttp's protocol, with what it answers by itself in the form of all other answers."""

from http import HTTPStatus
from typing import Any

from aiohttp import web

from wyoming_csm.server.http.guard import HEADERS
from wyoming_csm.server.http.problems import Refused, answer_of
from wyoming_csm.server.proxy_header import BEGINNINGS
from wyoming_csm.server.rate_limited_log import RateLimitedLog


class HttpProtocol(web.RequestHandler):
    """Tells what is no HTTP so in JSON, with our headers: no route and no middleware sees it."""

    __slots__ = ("_address", "_is_named", "_log")

    def __init__(self, *settings: Any, address: str, log: RateLimitedLog, **more: Any) -> None:
        """Take the peer's address and the door's log, beside what aiohttp takes."""
        super().__init__(*settings, **more)
        self._address, self._log = address, log
        self._is_named: bool | None = None  # it began with a PROXY header; None: nothing came yet

    def data_received(self, data: bytes) -> None:
        if self._is_named is None:
            self._is_named = data.startswith(BEGINNINGS)
        super().data_received(data)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the answer, after which the connection ends. Raises ConnectionError if another
        has begun."""
        if self._is_named:
            self._log.warning(
                "named", "Refused a PROXY header at the HTTP port, from %s, an address that is no"
                " balancer's: name it in balancer.proxies, or let it send none", self._address,
            )  # fmt: skip
        else:
            self.log_exception("A request cannot be handled", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("another answer has begun")
        if self._is_named:
            words = "a PROXY header from an address that is no balancer's: see balancer.proxies"
        elif status == HTTPStatus.BAD_REQUEST:
            # The first line says what is wrong, more lines show where.
            why = (message or "").partition("\n")[0].encode("ascii", "backslashreplace").decode()
            words = f"this is no HTTP that is understood here: {why.rstrip(':')}"
        else:
            words = "internal error: the server's log says more"
        answer = answer_of(Refused(HTTPStatus(status), words))
        answer.headers.update(HEADERS)
        answer.force_close()
        return answer
