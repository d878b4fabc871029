"""Clients that leave, that only stop sending, and that never take their sound."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from wyoming.ping import Ping
from wyoming.tts import SynthesizeChunk, SynthesizeStart

from tests.fakes import FRAME_BYTES, FakeEngine
from tests.server.clients import (
    Peer,
    audio,
    eventually,
    library_client,
    peer,
    port_of,
    say,
    serving,
    spoken_to,
    types,
)
from wyoming_csm.config import Limits
from wyoming_csm.server.listener import Server
from wyoming_csm.server.wire import encode

FRAME_SECONDS = 0.02
FOREVER = 1_000_000  # frames


def close(client: Peer) -> None:
    """As most clients do: what they have not read makes it a reset, otherwise a plain end."""
    client.writer.transport.abort()


def reset(client: Peer) -> None:
    """As a crash does."""
    sock = client.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.writer.transport.abort()


@pytest.mark.parametrize("leave", [close, reset])
async def test_leaving_while_speaking_stops_within_two_frames(leave) -> None:  # type: ignore[no-untyped-def]
    engine = FakeEngine(frames=FOREVER, frame_seconds=FRAME_SECONDS)
    async with serving(engine) as server, peer(server) as client:
        await client.send(say("One. Two."), say("Three."))
        for _ in range(4):
            await client.read()
        leave(client)
        made = engine.frames_made
        await eventually(lambda: engine.speaking == 0)
        assert engine.frames_made - made <= 2
    assert engine.asked == engine.cancelled == ["One."]


async def test_where_only_a_write_can_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the watch for a hangup; the engine has stopped before its reply is closed."""
    speaking: list[int] = []

    async def never(_: socket.socket) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("wyoming_csm.server.connection.wait_hangup", never)
    engine = FakeEngine(frames=FOREVER, frame_seconds=FRAME_SECONDS)
    monkeypatch.setattr(engine, "end_reply", lambda _: speaking.append(engine.speaking))
    async with serving(engine) as server, peer(server) as client:
        await client.send(say())
        await client.read()
        await client.read()
        close(client)
        made = engine.frames_made
        await eventually(lambda: bool(speaking))
        assert engine.frames_made - made <= 3
    assert speaking == [0]


async def test_leaving_before_the_first_sound_stops_without_one() -> None:
    """A slow engine makes nothing that could be sent to find out."""
    engine = FakeEngine()
    async with spoken_to(engine) as (_, client):
        close(client)
        assert await eventually(lambda: engine.speaking == 0) < 1
    assert engine.frames_made == 0


@asynccontextmanager
async def one_spoken_and_one_queued(engine: FakeEngine) -> AsyncIterator[tuple[Server, Peer, Peer]]:
    """On an engine of one slot, which holds its breath until `hold` is set."""
    async with spoken_to(engine) as (server, first), peer(server) as second:
        await second.send(say("Second."))
        await eventually(lambda: engine.waiting == 1)
        yield server, first, second


@pytest.mark.parametrize("leave", [close, reset])
async def test_who_leaves_while_queued_never_reaches_the_engine(leave) -> None:  # type: ignore[no-untyped-def]
    engine = FakeEngine(slots=1, frames=3)
    async with one_spoken_and_one_queued(engine) as (server, first, second):
        leave(second)
        await eventually(lambda: engine.waiting == 0)
        engine.hold.set()
        await first.until("audio-stop")
        async with peer(server) as third:
            await third.send(say("Third."))
            await third.until("audio-stop")
    assert engine.asked == ["Hello.", "Third."]


@pytest.mark.parametrize("leave", [close, reset])
async def test_who_leaves_with_one_spoken_and_one_queued_leaves_the_slot_free(leave) -> None:  # type: ignore[no-untyped-def]
    """Both ends are seen in one moment: as when a program with two connections is ended."""
    engine = FakeEngine(slots=1)
    async with one_spoken_and_one_queued(engine) as (server, first, second):
        leave(first)
        leave(second)
        await eventually(lambda: (engine.speaking, engine.waiting) == (0, 0))
        assert engine.frames_made == 0
        engine.hold.set()
        async with peer(server) as third:
            await third.send(say("Third."))
            await third.until("audio-stop")
    assert engine.finished == ["Third."]


async def test_who_leaves_in_the_moment_when_its_sentence_begins_is_soon_known() -> None:
    """It begins in the round trip in which nobody can know yet whether its listener left."""
    engine = FakeEngine(slots=1, frames=3, first_seconds=0.05)
    async with one_spoken_and_one_queued(engine) as (server, first, second):
        close(second)
        engine.hold.set()
        await first.until("audio-stop")
        await eventually(lambda: len(server.connections) == 1)
    assert engine.finished == ["Hello."]
    assert engine.frames_made == 3, "at most its beginning was computed"


async def test_a_half_closed_client_gets_all_its_sound() -> None:
    engine = FakeEngine(slots=1, frames=4, frame_seconds=0.01)
    async with serving(engine) as server, peer(server) as first, peer(server) as second:
        await first.send(say("One. Two."), say("Three."))
        first.writer.write_eof()
        await second.send(say("Four."), say("Five."))
        second.writer.write_eof()
        received, others = await first.rest(), await second.rest()
    assert types(received) == ["audio-start", "audio-chunk", "audio-stop"] * 2
    assert len(audio(received)) == 12 * FRAME_BYTES
    assert types(others) == types(received)
    assert len(audio(others)) == 8 * FRAME_BYTES
    assert sorted(engine.finished) == ["Five.", "Four.", "One.", "Three.", "Two."]


async def test_leaving_in_the_middle_of_a_stream() -> None:
    engine = FakeEngine(frames=FOREVER, frame_seconds=FRAME_SECONDS)
    async with serving(engine) as server, peer(server) as client:
        await client.send(SynthesizeStart().event(), SynthesizeChunk("One. Two. Thr").event())
        await client.read()
        await client.read()
        close(client)
        await eventually(lambda: engine.speaking == 0)
        await eventually(lambda: not len(server.connections))
    assert engine.asked == ["One."]


async def test_a_client_that_never_reads_costs_others_nothing_and_is_given_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = FakeEngine(slots=1, frames=20)
    limits = Limits(stall_seconds=0.3)
    sentences = "This is said. " * 600  # 960 s of sound
    async with serving(engine, limits=limits) as server:
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", port_of(server)))
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        async with peer(server) as client:
            await client.send(say(sentences))  # not deaf: takes all
            await client.read()
        async with library_client(server) as other:
            engine.asked.clear()
            await loop.sock_sendall(deaf, encode(say(sentences)))
            await eventually(lambda: len(engine.asked) > 0)
            for _ in range(3):
                await other.write_event(say("Quick."))
                while (event := await other.read_event()) and event.type != "audio-stop":
                    pass
            await eventually(lambda: len(server.connections) == 1)
        deaf.close()
    assert engine.asked.count("This is said.") < 30  # of 600
    assert "took nothing" in caplog.text


async def test_a_slow_listener_is_not_given_up() -> None:
    """Its first sentence takes longer than the deadline, which is for taking nothing at all."""
    engine = FakeEngine(frames=120)
    limits = Limits(stall_seconds=0.25)
    async with serving(engine, limits=limits) as server:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, ("127.0.0.1", port_of(server)))
        await loop.sock_sendall(sock, encode(say("It goes on. " * 2)))
        taken = bytearray()
        while b'"audio-stop"' not in taken:
            await asyncio.sleep(0.02)
            more = await loop.sock_recv(sock, 16_384)
            assert more, f"given up after {len(taken)} bytes"
            taken += more
        sock.close()
    assert engine.finished == ["It goes on."] * 2


async def test_a_connection_ends_when_the_peer_does_and_nothing_is_due() -> None:
    async with serving(FakeEngine()) as server, peer(server) as client:
        await client.send(Ping().event())
        await client.until("pong")
        client.writer.write_eof()
        assert await client.rest() == []
        await eventually(lambda: not len(server.connections))
