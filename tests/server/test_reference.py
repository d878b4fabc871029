"""The reference's reader beside ours: what it reads as an event we read as the same event."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from wyoming.event import Event, async_read_event

from tests.server.test_wire import LIMITS, fed, line
from wyoming_csm.errors import ProtocolError
from wyoming_csm.server.wire import read_event

PING = line(type="ping", data={"text": "next"})
Reader = Callable[[asyncio.StreamReader], Awaitable[Event | None]]


async def all_events(read: Reader, data: bytes) -> list[Event]:
    """Until the end, or until it takes what comes for no event: the reference says that with None
    or with whatever exception Python has for it."""
    reader = fed(data)
    found: list[Event] = []
    while True:
        try:
            event = await read(reader)
        except (ProtocolError, ValueError, TypeError, KeyError, AttributeError, EOFError):
            return found
        if event is None:
            return found
        found.append(event)


async def theirs(data: bytes) -> list[Event]:
    """As we have them: no payload; what is of a wrong kind but is passed over is empty."""
    return [
        Event(
            event.type if isinstance(event.type, str) else "",
            event.data if isinstance(event.data, dict) else {},
        )
        for event in await all_events(async_read_event, data)
    ]


async def ours(data: bytes) -> list[Event]:
    return await all_events(lambda reader: read_event(reader, LIMITS), data)


PASSED_OVER = {
    "an ending of two characters": b'{"type": "ping"}\r\n',
    "blanks": b' \t{ "type" : "ping" } \n',
    "a byte order mark": b'\xef\xbb\xbf{"type": "ping"}\n',
    "16 bits": '{"type": "ping"}\n'.encode("utf-16-be"),
    "data in 16 bits": line(type="ping", data_length=20) + '{"a": "b"}'.encode("utf-16-le"),
    "fields of others": line(type="ping", version="", time=5, session={"id": 1}),
    "an unknown type": line(type="from-the-future", data={"a": [1, 2.5, None, True]}),
    "type a number": line(type=5),
    "type null": line(type=None),
    "type an object": line(type={"a": 1}),
    "data null": line(type="describe", data=None),
    "data a list": line(type="describe", data=[]),
    "data a text": line(type="describe", data="x"),
    "lengths null": line(type="describe", data_length=None, payload_length=None),
    "lengths negative": line(type="describe", data_length=-1, payload_length=-1.5),
    "lengths false": line(type="describe", data_length=False, payload_length=False),
    "lengths not a number": b'{"type":"a","data_length":NaN,"payload_length":-Infinity}\n',
    "payload true": line(type="describe", payload_length=True) + b"x",
    "data an empty list": line(type="describe", data_length=2) + b"[]",
    "data pairs": line(type="describe", data_length=10) + b'[["a", 1]]',
    "data over data": line(type="ping", data={"a": 1, "b": 1}, data_length=7) + b'{"b":2}',
    "a key twice": b'{"type":"a","type":"ping","data":{"a":1,"a":2}}\n',
    "infinity": b'{"type":"ping","data":{"a":Infinity}}\n',
    "half a character": b'{"type":"ping","data":{"text":"\\ud83d"}}\n',
    "half a character in bytes": b'{"type":"ping","data":{"text":"\xed\xa0\xbd"}}\n',
}


@pytest.mark.parametrize("data", PASSED_OVER.values(), ids=PASSED_OVER.keys())
async def test_what_the_reference_reads(data: bytes) -> None:
    expected = await theirs(data + PING)
    assert len(expected) == 2
    assert await ours(data + PING) == expected


async def test_the_last_line_needs_no_end() -> None:
    assert await ours(b'{"type": "ping"}') == await theirs(b'{"type": "ping"}') == [Event("ping")]


NULL_IS_NOTHING = {
    "data": line(type="ping", data=None, data_length=7) + b'{"a":1}',
    "data after the line": line(type="ping", data={"a": 1}, data_length=4) + b"null",
    "a length with a point": line(type="ping", data_length=7.0) + b'{"a":1}',
}


@pytest.mark.parametrize("data", NULL_IS_NOTHING.values(), ids=NULL_IS_NOTHING.keys())
async def test_what_only_we_read(data: bytes) -> None:
    assert await ours(data + PING) == [Event("ping", {"a": 1}), Event("ping", {"text": "next"})]


SCALARS = st.none() | st.booleans() | st.integers(-2, 40) | st.floats() | st.text(max_size=4)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.sampled_from(["text", "voice", "a"]), VALUES, max_size=3)
DATA = OBJECTS | st.lists(st.tuples(st.text(max_size=2), SCALARS), max_size=2) | VALUES
ENCODINGS = st.sampled_from(["utf-8"] * 6 + ["utf-8-sig", "utf-16-be", "utf-16", "utf-32-be"])
ENDINGS = st.sampled_from(["\n"] * 6 + ["\r\n", "", "\n\n", " \n"])
LENGTHS = st.none() | st.integers(-1, 30) | st.sampled_from([True, False, -0.5, "2", [], {}])


@st.composite
def events(draw: st.DrawFn) -> bytes:
    """One event, mostly well-formed: any kind of header, its data and its payload."""
    header: dict[str, Any] = {"type": draw(st.just("ping") | VALUES)}
    body, payload = b"", draw(st.binary(max_size=4))
    if draw(st.booleans()):
        header["data"] = draw(OBJECTS | VALUES)
    if draw(st.booleans()):
        body = json.dumps(draw(DATA), ensure_ascii=draw(st.booleans())).encode(draw(ENCODINGS))
        header["data_length"] = draw(st.just(len(body)) | LENGTHS)
    if payload or draw(st.booleans()):
        header["payload_length"] = draw(st.just(len(payload)) | LENGTHS)
    header |= draw(st.dictionaries(st.sampled_from(["version", "x"]), VALUES, max_size=1))
    whole = draw(st.just(header) | VALUES)
    text = json.dumps(whole, ensure_ascii=draw(st.booleans())) + draw(ENDINGS)
    return text.encode(draw(ENCODINGS), "surrogatepass") + body + payload


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(events(), max_size=3).map(b"".join))
@example(b"")
async def test_whatever_is_sent(data: bytes) -> None:
    expected, found = await theirs(data + PING), await ours(data + PING)
    # repr: NaN is not equal to itself
    assert repr(found[: len(expected)]) == repr(expected)
    if len(found) > len(expected):
        assert b"null" in data or b"n\0u\0l\0l" in data, "read, though the reference does not"


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=80) | st.text(max_size=40).map(str.encode))
async def test_noise(data: bytes) -> None:
    assert await ours(data + b"\n") == await theirs(data + b"\n")
