"""aiohttp's protocol, with what it answers by itself in the form of all other answers."""

from http import HTTPStatus
from typing import Any

from aiohttp import web

from wyoming_csm.server.http.guard import HEADERS
from wyoming_csm.server.http.problems import Refused, answer_of


class HttpProtocol(web.RequestHandler):
    """Tells what is no HTTP so in JSON, with our headers: no route and no middleware sees it."""

    __slots__ = ("is_named",)

    def __init__(self, *settings: Any, **more: Any) -> None:
        super().__init__(*settings, **more)
        self.is_named = False  # it began with a PROXY header, which has been told

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the answer, after which the connection ends. Raises ConnectionError if another
        has begun."""
        if not self.is_named:
            self.log_exception("A request cannot be handled", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("another answer has begun")
        if self.is_named:
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
