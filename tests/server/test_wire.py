"""Bytes to events: what the library writes is read, and whatever is over a limit is refused."""

import asyncio
import errno
import json
import time
from typing import Any

import pytest
from wyoming.audio import AudioChunk
from wyoming.event import Event, async_read_event
from wyoming.info import Describe
from wyoming.tts import Synthesize

from wyoming_csm.config import Limits
from wyoming_csm.errors import ProtocolError
from wyoming_csm.server.wire import encode, read_event

LIMITS = Limits()


def line(**header: Any) -> bytes:
    return json.dumps(header).encode() + b"\n"


def fed(data: bytes, *, end: bool = True) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=LIMITS.header_bytes)
    reader.feed_data(data)
    if end:
        reader.feed_eof()
    return reader


HOSTILE = {
    "no type": line(data={}),
    "not an object": b"[]\n",
    "a number": b"5\n",
    "not JSON": b"hello\n",
    "empty line": b"\n",
    "a browser's": b"GET / HTTP/1.1\r\nHost: homeassistant:10200\r\nAccept: */*\r\n\r\n",
    "two objects": b'{"type":"ping"}{"type":"ping"}\n',
    "not UTF-8": b'{"type": "ping", "data": {"text": "\xff"}}\n',
    "data_length a list": line(type="describe", data_length=[2]) + b"{}",
    "data_length half": line(type="describe", data_length=1.5) + b"{}",
    "data_length infinite": b'{"type": "describe", "data_length": Infinity}\n',
    "data_length a string": line(type="describe", data_length="2") + b"{}",
    "data_length true": line(type="describe", data_length=True) + b"{",
    "data_length too large": line(type="describe", data_length=128 * 1024 + 1),
    "data_length huge": b'{"type": "describe", "data_length": ' + b"9" * 5000 + b"}\n",
    "payload_length half": line(type="describe", payload_length=0.5) + b"x",
    "payload_length too large": line(type="describe", payload_length=64 * 1024 + 1),
    "data not JSON": line(type="describe", data_length=3) + b"{,}",
    "data bytes a number": line(type="describe", data_length=1) + b"5",
    "data bytes a list": line(type="describe", data_length=3) + b"[1]",
    "data bytes over a list": line(type="describe", data=[], data_length=2) + b"{}",
    "data bytes not UTF-8": line(type="describe", data_length=9) + b'{"a":"\xff"}',
    "header too long": b'{"type": "ping", "data": {"text": "' + b"x" * 131_072 + b'"}}\n',
    "header without end": b"x" * 300_000,
    "too deep": line(type="ping", data={"a": json.loads("[" * 15 + "]" * 15)}),
    "very deep": b'{"type": "ping", "data": ' + b"[" * 65_000 + b"]" * 65_000 + b"}\n",
    "deep in 16 bits": ('{"a": "≛[", "b": ' + "[" * 17 + "]" * 17 + "}\n").encode("utf-16-be"),
    "deep data": line(type="ping", data_length=131_072) + b"[" * 131_072,
    "deep data after strings": line(type="ping", data_length=43) + b'{"[\\"]":' + b"[" * 35,
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
async def test_refused_without_waiting_for_more(data: bytes) -> None:
    begin = time.thread_time()
    async with asyncio.timeout(5):  # LIMITS are of minutes
        with pytest.raises(ProtocolError):
            await read_event(fed(data, end=False), LIMITS)
    assert time.thread_time() - begin < 0.5


@pytest.mark.parametrize(
    "event",
    [
        Describe().event(),
        Synthesize("Grüße, 世界 {[").event(),
        Event("ping", {"text": "x", "more": {"deep": json.loads("[" * 13 + "]" * 13)}}),
    ],
    ids=["describe", "synthesize", "as deep as allowed"],
)
async def test_what_the_library_writes_is_read(event: Event) -> None:
    data = json.dumps(event.data, ensure_ascii=False).encode() if event.data else b""
    header = line(type=event.type, version="1", data_length=len(data))
    assert await read_event(fed(header + data), LIMITS) == event


async def test_data_in_the_line_and_after_it_is_merged() -> None:
    reader = fed(line(type="ping", data={"a": 1, "b": 1}, data_length=7) + b'{"b":2}')
    assert await read_event(reader, LIMITS) == Event("ping", {"a": 1, "b": 2})


async def test_null_lengths_are_none() -> None:
    reader = fed(line(type="ping", data_length=None, payload_length=None))
    assert await read_event(reader, LIMITS) == Event("ping")


async def test_a_line_may_be_as_long_as_allowed() -> None:
    event = line(type="ping", data={"text": ""})
    longest = event.replace(b'""', b'"' + b"x" * (LIMITS.header_bytes - len(event)) + b'"')
    assert len(longest) == LIMITS.header_bytes
    assert await read_event(fed(longest), LIMITS) is not None
    with pytest.raises(ProtocolError, match="longer"):
        await read_event(fed(longest.replace(b"xx", b"xxx", 1)), LIMITS)


async def test_a_payload_is_dropped_and_the_next_event_read() -> None:
    reader = fed(line(type="audio-chunk", payload_length=5) + b"12345" + line(type="ping"))
    assert await read_event(reader, LIMITS) == Event("audio-chunk")
    assert await read_event(reader, LIMITS) == Event("ping")
    assert await read_event(reader, LIMITS) is None


async def test_the_library_reads_what_we_write() -> None:
    event = AudioChunk(24_000, 2, 1, b"\n\0\n\0", timestamp=80).event()
    assert await async_read_event(fed(encode(event) + encode(Event("ping")))) == event


async def test_an_end_inside_an_event() -> None:
    for part in (b'{"type"', line(type="ping", data_length=5) + b"{"):
        with pytest.raises(ProtocolError, match="middle"):
            await read_event(fed(part), LIMITS)


async def test_an_event_that_never_completes() -> None:
    limits = Limits(event_seconds=0.05)
    for part in (b"{", line(type="ping", data_length=5), line(type="a", payload_length=9) + b"x"):
        with pytest.raises(ProtocolError, match=r"0\.05 s"):
            await read_event(fed(part, end=False), limits)


async def test_idling_loses_nothing() -> None:
    reader = fed(b"", end=False)
    with pytest.raises(TimeoutError):
        await read_event(reader, Limits(idle_seconds=0.05))
    reader.feed_data(line(type="ping"))
    assert await read_event(reader, LIMITS) == Event("ping")


@pytest.mark.parametrize("code", [errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ECONNRESET])
@pytest.mark.parametrize("read", [b"", b'{"type"'], ids=["between", "amid"])
async def test_a_network_that_gave_up_is_a_peer_that_left(code: int, read: bytes) -> None:
    """ETIMEDOUT is a TimeoutError too, but no idling: read again, it would come again at once."""
    reader = fed(read, end=False)
    asyncio.get_running_loop().call_soon(reader.set_exception, OSError(code, "gone"))
    with pytest.raises(ConnectionError):
        await read_event(reader, LIMITS)


async def test_a_string_that_never_ends_is_scanned_once() -> None:
    data = b'{"' + b'\\"' * 65_000
    begin = time.thread_time()
    with pytest.raises(ProtocolError):
        await read_event(fed(line(type="ping", data_length=len(data)) + data), LIMITS)
    assert time.thread_time() - begin < 0.5  # quadratic: minutes
