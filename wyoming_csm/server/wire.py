"""Bytes to events and back, with limits on everything a peer can make us read.

Within them, what the reference library's `async_read_event` reads as an event is read as the same
event: with its JSON parser, its encodings and its way of merging data. A null is nothing.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from wyoming.event import Event
from wyoming.version import __version__ as wyoming_version

from wyoming_csm.config import Limits
from wyoming_csm.errors import ProtocolError

# Strings, and all else that is no bracket; never backtracks: linear.
_NOT_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+"?|[^"\[\]{}]+', re.DOTALL)
_PROXY_HEADERS = (b"PROXY ", b"\r\n")  # as those begin that a balancer sends; no event does


def encode(event: Event) -> bytes:
    """Serialise an event: JSON line, data, payload."""
    data = msgspec.json.encode(event.data) if event.data else b""
    payload = event.payload or b""
    header: dict[str, str | int] = {"type": event.type, "version": wyoming_version}
    if data:
        header["data_length"] = len(data)
    if payload:
        header["payload_length"] = len(payload)
    return b"".join((msgspec.json.encode(header), b"\n", data, payload))


@contextmanager
def network() -> Iterator[None]:
    """Raise ConnectionError for whatever ends a connection, also for what the system calls a
    timeout or an unreachable host: all other errors of the system are our own."""
    try:
        yield
    except ConnectionError:
        raise
    except OSError as error:
        raise ConnectionAbortedError(f"the network gave up ({error})") from error


async def read_event(reader: asyncio.StreamReader, limits: Limits) -> Event | None:
    """Read the next event without its payload, which no event we read has a use for; None: the end.

    Raises TimeoutError if none begins in `idle_seconds` (nothing is lost: call again),
    ProtocolError, ConnectionError. Give the reader `header_bytes` as its limit.
    """
    async with asyncio.timeout(limits.idle_seconds):
        with network():
            first = await reader.read(1)
    if not first:
        return None
    try:
        async with asyncio.timeout(limits.event_seconds):
            with network():
                return await _rest_of_event(first, reader, limits)
    except TimeoutError:
        raise ProtocolError(f"an event took longer than {limits.event_seconds:g} s") from None
    except asyncio.IncompleteReadError:
        raise ProtocolError("the connection ended in the middle of an event") from None


async def _rest_of_event(first: bytes, reader: asyncio.StreamReader, limits: Limits) -> Event:
    header = await _header(first, reader, limits)
    # Both lengths before either is read: what is refused is refused at once.
    data_length = _length("data_length", header, limits.data_bytes)
    payload_length = _length("payload_length", header, limits.payload_bytes)
    data = header.get("data")
    if data_length:
        data = _merged(data, _parse(await reader.readexactly(data_length), limits))
    if payload_length:
        await reader.readexactly(payload_length)
    kind = header["type"]
    # Of another kind than they should be: an unknown event, and one without data.
    return Event(kind if isinstance(kind, str) else "", data if isinstance(data, dict) else {})


async def _header(first: bytes, reader: asyncio.StreamReader, limits: Limits) -> dict[str, Any]:
    too_long = f"an event's JSON line is longer than {limits.header_bytes} bytes"
    if first == b"\n":
        raise ProtocolError("an empty line instead of an event")
    try:
        line = first + await reader.readuntil(b"\n")
        if line.startswith(_PROXY_HEADERS):
            raise ProtocolError(
                "a PROXY header from an address that is no balancer's: name it in balancer.proxies"
            )
    except asyncio.LimitOverrunError:
        raise ProtocolError(too_long) from None
    except asyncio.IncompleteReadError as error:  # the last line needs no end
        line = first + error.partial
    if len(line) > limits.header_bytes:
        raise ProtocolError(too_long)
    try:
        header = _parse(line, limits)
    except ProtocolError:
        if not line.endswith(b"\n"):
            raise asyncio.IncompleteReadError(line, None) from None
        raise
    if not isinstance(header, dict) or "type" not in header:
        raise ProtocolError("an event is not as Wyoming has it: no JSON object with a `type`")
    return header


def _length(name: str, header: dict[str, Any], most: int) -> int:
    """Return a length in bytes; what is not above 0 is none, as in the reference."""
    length = header.get(name)
    if length is None:
        return 0
    if isinstance(length, (int, float)):
        if not length > 0:
            return 0
        if length <= most and length == int(length):
            return int(length)
    raise ProtocolError(f"{name} is {repr(length)[:40]}: a whole number to {most} is allowed")


def _merged(data: Any, more: Any) -> dict[str, Any]:
    """Merge what came after the JSON line over what stands in it."""
    data = {} if data is None else data
    if isinstance(data, dict):
        try:
            data.update({} if more is None else more)
        except (TypeError, ValueError):  # `dict.update` takes pairs as well: so does the reference
            pass
        else:
            return data
    raise ProtocolError("an event's data is not a JSON object")


def _parse(raw: bytes, limits: Limits) -> Any:
    try:
        text = raw.decode(json.detect_encoding(raw), "surrogatepass")
    except UnicodeDecodeError:
        raise ProtocolError("an event is not Unicode text") from None
    _check_depth(text, limits.json_depth)
    try:
        return json.loads(text)
    except ValueError as error:
        raise ProtocolError(f"an event is not as Wyoming has it: {error}") from None


def _check_depth(text: str, most: int) -> None:
    """Refuse deep nesting before the parser sees it, so that it never recurses beyond `most`."""
    depth = 0
    for bracket in _NOT_BRACKETS.sub("", text):
        depth += 1 if bracket in "[{" else -1
        if depth > most:
            raise ProtocolError(f"an event's JSON is nested deeper than {most}")
