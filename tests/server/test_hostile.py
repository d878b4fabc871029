"""What no honest peer sends: one `error`, the end, quickly, and nothing left over."""

import asyncio
import contextlib
import logging
import resource
import socket
import time

import pytest
from wyoming.event import Event
from wyoming.info import Describe
from wyoming.ping import Ping

from tests.fakes import FakeEngine
from tests.server.clients import (
    PATIENCE,
    eventually,
    logged,
    peer,
    port_of,
    serving,
    spoken_to,
    types,
)
from tests.server.test_requests import NOT_WYOMING
from tests.server.test_wire import HOSTILE, line
from wyoming_csm.config import Limits
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.server.wire import encode
from wyoming_csm.voices import Voice

ALL = HOSTILE | {str(event.data): encode(event) for event in NOT_WYOMING}


@pytest.mark.parametrize("data", ALL.values(), ids=ALL.keys())
async def test_answered_with_one_error_and_closed(
    data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    engine = FakeEngine()
    async with serving(engine) as server, peer(server) as client:
        await client.send_bytes(data)
        assert types(await client.rest()) == ["error"]
    (record,) = logged(caplog)
    assert record.levelno == logging.WARNING
    assert record.exc_info is None
    assert engine.asked == []


async def test_a_peer_that_is_still_sending_can_read_the_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Closing on what it sends meanwhile is a reset, which can take the error from it."""
    monkeypatch.setattr("wyoming_csm.server.connection.LINGER_SECONDS", PATIENCE)
    async with serving(FakeEngine()) as server, peer(server) as client:
        await client.send_bytes(line(type="audio-chunk", payload_length=10**6))
        assert types(await client.rest()) == ["error"]
        for _ in range(20):
            await client.send_bytes(bytes(10_000))  # raises after a reset
            await asyncio.sleep(0.005)


async def test_a_flood_after_a_refusal_is_not_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside what the kernel takes, which is some megabytes on either side."""
    monkeypatch.setattr("wyoming_csm.server.connection.LINGER_SECONDS", PATIENCE)
    sent = 0
    async with serving(FakeEngine()) as server, peer(server) as client:
        await client.send_bytes(line(type="audio-chunk", payload_length=10**6))
        begin = time.perf_counter()
        with contextlib.suppress(ConnectionError):
            while time.perf_counter() < begin + PATIENCE:
                await client.send_bytes(bytes(65_536))
                sent += 65_536
        assert time.perf_counter() - begin < PATIENCE / 2
    assert sent < 16 * 1024 * 1024


async def test_the_end_comes_within_50_ms() -> None:
    """Of any, if tried often enough: other processes only add to it."""
    async with serving(FakeEngine()) as server:
        for name, data in HOSTILE.items():
            for _ in range(50):
                async with peer(server) as client:
                    begin = time.perf_counter()
                    await client.send_bytes(data)
                    await client.rest()
                    seconds = time.perf_counter() - begin
                if seconds < 0.05:
                    break
            assert seconds < 0.05, name


async def test_a_flood_of_them_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(FakeEngine()) as server:
        for _ in range(10):
            async with peer(server) as client:
                await client.send_bytes(b"[]\n")
                await client.rest()
    assert len(logged(caplog)) == 1


async def test_a_bad_event_while_speaking_ends_the_reply_with_an_error() -> None:
    engine = FakeEngine()
    async with spoken_to(engine) as (_, client):
        await client.send_bytes(b"[]\n")
        assert types(await client.rest()) == ["error"]
    assert len(engine.cancelled) == 1


@pytest.mark.parametrize("part", [b"{", line(type="ping", data_length=9) + b"{"])
async def test_an_event_that_trickles_in(part: bytes) -> None:
    limits = Limits(event_seconds=0.2)
    async with serving(FakeEngine(), limits=limits) as server, peer(server) as client:
        begin = time.perf_counter()

        async def trickle() -> None:
            for byte in part + b" " * 100:
                await client.send_bytes(bytes([byte]))
                await asyncio.sleep(0.02)

        trickling = asyncio.create_task(trickle())
        assert types(await client.rest()) == ["error"]
        assert 0.15 < time.perf_counter() - begin < 1.5
        trickling.cancel()
        await asyncio.gather(trickling, return_exceptions=True)


async def test_a_refused_payload_is_not_buffered() -> None:
    """100 MB blasted at the server cost it no memory, whatever length they were announced with."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with serving(FakeEngine()) as server:
        for header in (
            line(type="audio-chunk", payload_length=10**9),
            line(type="synthesize", data_length=10**9),
            b"",  # one endless line
        ):
            await asyncio.to_thread(_blast, port_of(server), header)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8 * 1024  # KiB


def _blast(port: int, header: bytes) -> None:
    block = b"x" * 65_536
    with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
        try:
            sock.sendall(header)
            for _ in range(1_600):
                sock.sendall(block)
        except OSError:
            return
    pytest.fail("the server took it all")


class AskedFallback(Fallback):
    """Counts how often it was described."""

    described = 0

    @property
    def voices(self) -> tuple[Voice, ...]:
        self.described += 1
        return super().voices


async def test_describes_of_a_client_that_never_reads_are_bounded() -> None:
    """The server reads no more of it; other clients do not wait."""
    engine = AskedFallback([FakeEngine()])
    async with serving(engine) as server:
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", port_of(server)))
            await asyncio.to_thread(_flood, sock, encode(Describe().event()))
            await eventually(lambda: engine.described > 10)
            async with peer(server) as other:
                await other.send(*[Ping().event()] * 700)  # after each the flood has its turn
                for _ in range(700):
                    await other.until("pong")
            assert engine.described < 600  # of 60 000


async def test_describes_in_a_row_let_other_clients_come_between() -> None:
    engine = AskedFallback([FakeEngine()])
    async with serving(engine) as server, peer(server) as flooding, peer(server) as other:
        for one in (flooding, other):
            await one.send(Ping().event())
            await one.until("pong")
        flooding.writer.write(encode(Describe().event()) * 500)
        other.writer.write(encode(Ping().event()))
        await other.until("pong")
        assert engine.described < 250


def _flood(sock: socket.socket, event: bytes) -> None:
    """As much as the kernel and the server take."""
    sock.settimeout(0.5)
    with contextlib.suppress(TimeoutError):
        sock.sendall(event * 60_000)


async def test_an_event_of_another_kind_with_a_payload_is_dropped() -> None:
    async with serving(FakeEngine()) as server, peer(server) as client:
        await client.send(Event("audio-chunk", {"rate": 1}, b"x" * 65_536), Describe().event())
        assert types(await client.until("info")) == ["info"]
