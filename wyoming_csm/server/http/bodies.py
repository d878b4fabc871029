"""What comes in a request: JSON of a known form, text, files; bounded in size and in time."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

import msgspec
from aiohttp import hdrs, web
from aiohttp.http_exceptions import PayloadEncodingError
from aiohttp.typedefs import Handler
from aiohttp.web_protocol import RequestPayloadError

from wyoming_csm.config import Limits
from wyoming_csm.server.http.house import house_of
from wyoming_csm.server.http.problems import Refused
from wyoming_csm.within import within

T = TypeVar("T")
Name = Annotated[str, msgspec.Meta(max_length=256)]  # of a voice or so, as requests give it
_MOST_TYPE = 256  # characters of a Content-Type
_LEAST_RATE = 64 * 1024  # bytes in a second that a body must come with


def media_type(request: web.Request) -> str:
    """Return the type of a body, in lower case and without parameters; empty if it has none.

    `request.content_type` takes seconds for what nobody sends but to harm. Raises Refused if it is
    too long.
    """
    header = request.headers.get("Content-Type", "")
    if len(header) > _MOST_TYPE:
        raise Refused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"a Content-Type has {_MOST_TYPE} characters at most",
        )
    return header.partition(";")[0].strip().lower()


@web.middleware
async def uncompressed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a body that is compressed: no limit holds for what it would become."""
    encoding = request.headers.get(hdrs.CONTENT_ENCODING, "").strip().lower()
    if request.method == hdrs.METH_POST and encoding not in ("", "identity"):
        raise Refused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the body as it is, without Content-Encoding"
        )
    return await handler(request)


async def read_json(request: web.Request, form: type[T]) -> T:
    """Read a JSON body of this form. Raises Refused."""
    if media_type(request) != "application/json":
        raise Refused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send JSON, with Content-Type: application/json"
        )
    return parse(await read(request, house_of(request).config.limits.data_bytes), form)


def parse(body: bytes | str, form: type[T]) -> T:
    """Read JSON of this form. Raises Refused, which names what is wrong."""
    try:
        return msgspec.json.decode(body, type=form)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        name = where.rstrip("`") or None
        message = f"{name}: {what}" if name else what
        raise Refused(HTTPStatus.BAD_REQUEST, message, param=name) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(HTTPStatus.BAD_REQUEST, f"the body is not JSON: {error}") from None


async def read(request: web.Request, most: int) -> bytes:
    """Read a body of so many bytes at most. Raises Refused if it is longer, or comes too slowly."""
    body = bytearray()
    async for part in parts(request, most):
        body += part
    return bytes(body)


def parts(request: web.Request, most: int) -> AsyncGenerator[bytes]:
    """Return the parts of a body, which come in the time that `Patience` has. Raises Refused."""
    limits: Limits = house_of(request).config.limits
    too_long = Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is longer than {most} bytes")
    if (request.content_length or 0) > most:
        raise too_long
    return bounded(request.content.readany, most, Patience(limits.event_seconds), too_long)


async def bounded(
    take: Callable[[], Coroutine[Any, Any, bytes]],
    most: int,
    patience: "Patience",
    too_long: Refused,
) -> AsyncGenerator[bytes]:
    """Yield what is taken until that is nothing. Raises `too_long`, Refused if it is too slow."""
    count = 0
    while part := await patience.wait(take()):
        count += len(part)
        patience.came(len(part))
        if count > most:
            raise too_long
        yield part


class Patience:
    """The time that is waited for a whole body: some seconds, and more for what has come.

    Each of its bytes gives back what it may take at the least rate, never more than was had at
    first: who sends a byte now and then runs out of it.
    """

    def __init__(self, seconds: float) -> None:
        self._most = self._left = seconds
        self._clock = asyncio.get_running_loop().time

    async def wait(self, reading: Coroutine[Any, Any, T]) -> T:
        """Return what is read. Raises Refused if no time is left, or it is not as HTTP has it."""
        found: list[T] = []

        async def read() -> None:
            found.append(await reading)

        began = self._clock()
        try:
            came = await within(self._left, read())
        except (RequestPayloadError, PayloadEncodingError):
            raise Refused(HTTPStatus.BAD_REQUEST, "the body cannot be read") from None
        if not came:
            raise Refused(
                HTTPStatus.REQUEST_TIMEOUT, "the body comes too slowly (limits.event_seconds)"
            )
        self._left = max(0.0, self._left - (self._clock() - began))
        return found[0]

    def came(self, count: int) -> None:
        """Note that so many bytes came."""
        self._left = min(self._most, self._left + count / _LEAST_RATE)
