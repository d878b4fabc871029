"""Bytes to events and back, with limits on everything a peer can make us read."""

import asyncio
import re
from typing import Any, TypeVar

import msgspec
from wyoming.event import Event
from wyoming.version import __version__ as wyoming_version

from wyoming_csm.config import Limits
from wyoming_csm.errors import ProtocolError

T = TypeVar("T")

_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)  # never backtracks: linear
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


class _Header(msgspec.Struct, frozen=True):
    """The JSON line of an event. The library writes no null lengths, but reads them as 0."""

    type: str
    data: dict[str, Any] = {}
    data_length: int | None = None
    payload_length: int | None = None


_HEADER = msgspec.json.Decoder(_Header)
_DATA = msgspec.json.Decoder(dict[str, Any])


def encode(event: Event) -> bytes:
    """The event as it goes out: JSON line, data, payload."""
    data = msgspec.json.encode(event.data) if event.data else b""
    payload = event.payload or b""
    header: dict[str, str | int] = {"type": event.type, "version": wyoming_version}
    if data:
        header["data_length"] = len(data)
    if payload:
        header["payload_length"] = len(payload)
    return b"".join((msgspec.json.encode(header), b"\n", data, payload))


async def read_event(reader: asyncio.StreamReader, limits: Limits) -> Event | None:
    """The next event without its payload, which no event we hear has a use for; None: the end.

    Raises TimeoutError if none begins in `idle_seconds` (nothing is lost: call again),
    ProtocolError, ConnectionError. Give the reader `header_bytes` as its limit.
    """
    try:
        async with asyncio.timeout(limits.idle_seconds) as idle:
            first = await reader.read(1)
    except TimeoutError as error:
        if idle.expired():
            raise
        raise ConnectionAbortedError(f"the network gave up ({error})") from error
    if not first:
        return None
    try:
        async with asyncio.timeout(limits.event_seconds):
            return await _rest_of_event(first, reader, limits)
    except TimeoutError:
        raise ProtocolError(
            f"an event was not complete within {limits.event_seconds:g} s"
        ) from None
    except asyncio.IncompleteReadError:
        raise ProtocolError("the connection ended in the middle of an event") from None


async def _rest_of_event(first: bytes, reader: asyncio.StreamReader, limits: Limits) -> Event:
    too_long = f"an event's JSON line is longer than {limits.header_bytes} bytes"
    if first == b"\n":
        raise ProtocolError("an empty line instead of an event")
    try:
        line = first + await reader.readuntil(b"\n")
    except asyncio.LimitOverrunError:
        raise ProtocolError(too_long) from None
    if len(line) > limits.header_bytes:
        raise ProtocolError(too_long)
    header = _decode(line, _HEADER, limits)
    # Both lengths before either is read: what is refused is refused at once.
    data_length = _length("data_length", header.data_length, limits.data_bytes)
    payload_length = _length("payload_length", header.payload_length, limits.payload_bytes)
    data = header.data
    if data_length:
        data = data | _decode(await reader.readexactly(data_length), _DATA, limits)
    if payload_length:
        await reader.readexactly(payload_length)
    return Event(type=header.type, data=data)


def _length(name: str, length: int | None, most: int) -> int:
    if length is None:
        return 0
    if not 0 <= length <= most:
        raise ProtocolError(f"{name} is {length}: 0 to {most} is allowed")
    return length


def _decode(text: bytes, decoder: msgspec.json.Decoder[T], limits: Limits) -> T:
    _check_depth(text, limits.json_depth)
    try:
        return decoder.decode(text)
    except UnicodeDecodeError:
        raise ProtocolError("an event is not UTF-8") from None
    except msgspec.DecodeError as error:
        raise ProtocolError(f"an event is not as Wyoming has it: {error}") from None


def _check_depth(text: bytes, most: int) -> None:
    """Before the parser sees it, so that nothing ever recurses further than `most`."""
    depth = 0
    for byte in _STRINGS.sub(b"", text).translate(None, _NOT_BRACKETS):
        depth += 1 if byte in b"[{" else -1
        if depth > most:
            raise ProtocolError(f"an event's JSON is nested deeper than {most}")
