"""What comes in a request: JSON of a known form, text, files; bounded in size and in time."""

from collections.abc import AsyncGenerator, Coroutine
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from wyoming_csm.config import Limits
from wyoming_csm.server.http.house import house_of
from wyoming_csm.server.http.problems import Refused
from wyoming_csm.within import within

T = TypeVar("T")


async def read_json(request: web.Request, form: type[T]) -> T:
    """Read a JSON body of this form. Raises Refused."""
    if request.content_type != "application/json":
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


async def parts(request: web.Request, most: int) -> AsyncGenerator[bytes]:
    """Yield a body in parts; the next must come within `limits.event_seconds`. Raises Refused."""
    limits: Limits = house_of(request).config.limits
    too_long = Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is longer than {most} bytes")
    if (request.content_length or 0) > most:
        raise too_long
    count = 0
    while part := await in_time(request.content.readany(), limits.event_seconds):
        count += len(part)
        if count > most:
            raise too_long
        yield part


async def in_time(reading: Coroutine[Any, Any, T], seconds: float) -> T:
    """Return what is read. Raises Refused if it takes longer."""
    found: list[T] = []

    async def read() -> None:
        found.append(await reading)

    if not await within(seconds, read()):
        raise Refused(HTTPStatus.REQUEST_TIMEOUT, f"nothing more came in {seconds:g} s")
    return found[0]
