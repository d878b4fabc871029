"""Well-formed requests that cannot be answered: an `error`, then the end, never silence."""

import asyncio
import errno
import gc

import pytest
from wyoming.ping import Ping
from wyoming.tts import SynthesizeChunk, SynthesizeStart, SynthesizeStop

from tests.fakes import FakeEngine
from tests.server.clients import eventually, logged, peer, say, serving, types
from wyoming_csm.config import Limits
from wyoming_csm.server.connection import LINGER_SECONDS


async def test_a_failure_is_said_and_the_connection_closed() -> None:
    for after in (0, 2):
        engine = FakeEngine(fail_after=after)
        async with serving(engine) as server, peer(server) as client:
            await client.send(say(), say("More."))
            events = await client.rest()
        assert types(events) == [*(["audio-start", "audio-chunk"] if after else []), "error"]
        assert "told to fail" in events[-1].data["text"]
        assert [reply.closed for reply in engine.replies] == [1]


async def test_who_still_writes_a_text_can_do_so_to_its_end_and_then_finds_the_error() -> None:
    engine = FakeEngine(fail_after=0)
    async with serving(engine) as server, peer(server) as client:
        await client.send(SynthesizeStart().event(), SynthesizeChunk("One is. And").event())
        await eventually(lambda: len(engine.replies) > 0)
        await eventually(lambda: not any(connection.busy for connection in server.connections))
        await asyncio.sleep(3 * LINGER_SECONDS)
        for _ in range(3):
            await client.send(SynthesizeChunk(" two").event())
        await client.send(SynthesizeStop().event())
        assert types(await client.rest()) == ["error"]
        assert len(server.connections) == 1
        client.writer.write_eof()
        await eventually(lambda: not server.connections)


async def test_no_voice_at_all_is_an_error_and_not_silence() -> None:
    async with serving(FakeEngine(voices=())) as server, peer(server) as client:
        await client.send(say())
        assert types(await client.rest()) == ["error"]


@pytest.mark.parametrize(
    "error",
    [KeyError("a bug"), OSError(errno.EMFILE, "too many"), TimeoutError("of our own")],
    ids=lambda error: type(error).__name__,
)
async def test_a_programs_error_is_logged_and_said(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """Also one of the system's that is not the network's: no client left."""

    class Broken(FakeEngine):
        def say(self, sentence):  # type: ignore[no-untyped-def]
            raise error

    async with serving(Broken()) as server, peer(server) as client:
        await client.send(say())
        (told,) = await client.rest()
        assert told.data["text"] == "internal error"
        async with peer(server) as other:
            await other.send(Ping().event())
            await other.until("pong")
    assert any(record.exc_info for record in logged(caplog))
    assert "the client left" not in caplog.text


async def test_too_many_waiting_requests() -> None:
    engine = FakeEngine()
    engine.hold.clear()
    async with serving(engine, limits=Limits(waiting_requests=3)) as server, peer(server) as client:
        await client.send(*[say()] * 4, Ping().event())
        await client.until("pong")
        await client.send(say())
        (error,) = await client.rest()
    assert error.data["text"] == "more than 3 requests are waiting on this connection"


async def test_a_server_that_stops_says_nothing_more_to_a_refused_client(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though a request of it was never answered: the refusal was the answer."""
    monkeypatch.setattr("wyoming_csm.server.connection.LINGER_SECONDS", 60)
    engine = FakeEngine()
    engine.hold.clear()
    async with serving(engine) as server, peer(server) as client:
        await client.send(say())
        await client.send_bytes(b"hello\n")
        assert types(await client.rest()) == ["error"]
        (serving_it,) = [one for one in asyncio.all_tasks() if "127.0.0.1" in one.get_name()]
        await server.__aexit__(None, None, None)
        assert serving_it.cancelled()
    gc.collect()
    assert [record for record in caplog.records if record.exc_info] == []
