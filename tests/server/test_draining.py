"""The end of the server: replies in flight get their time, and whoever is cut off is told."""

import asyncio
import dataclasses
import logging
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest
from msgspec.structs import replace
from wyoming.info import Describe
from wyoming.ping import Ping
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeVoice,
)

from tests.fakes import AS_MADE, FakeEngine
from tests.server.clients import (
    PATIENCE,
    eventually,
    logged,
    peer,
    port_of,
    say,
    serving,
    spoken_to,
    types,
)
from wyoming_csm.answer import AnswerContext
from wyoming_csm.config import BalancerConfig, Config, Limits
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.server.listener import Server

START = SynthesizeStart().event()


@pytest.mark.parametrize("speaking", [True, False])
async def test_the_end_is_waited_for_only_where_somebody_is_spoken_to(
    speaking: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    engine = FakeEngine(frames=3, frame_seconds=0.02)
    limits = Limits(shutdown_seconds=7)
    async with serving(engine, limits=limits) as server, peer(server) as client:
        await client.send(Ping().event())
        await client.until("pong")
        if speaking:
            await client.send(say())
            await client.read()
        await server.drain()
    waits = ["Ending: replies in flight are finished first, in 7 s at most"]
    said = [one.getMessage() for one in logged(caplog) if "Ending" in one.getMessage()]
    assert said == (waits if speaking else [])


async def test_draining_lets_a_reply_in_flight_end() -> None:
    engine = FakeEngine(frames=5, frame_seconds=0.03)
    async with serving(engine) as server, peer(server) as idle, peer(server) as client:
        await idle.send(Ping().event())
        await idle.until("pong")
        await client.send(say("One is."), say("Two is."))
        await client.read()
        draining = asyncio.create_task(server.drain())
        assert await idle.rest() == []
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*client.writer.get_extra_info("peername"))
        events = await client.rest()
        await draining
    assert types(events) == ["audio-chunk", "audio-stop", "error"]
    assert "stopping" in events[-1].data["text"]  # Two is. was not begun
    assert engine.asked == engine.finished == ["One is."]


async def test_draining_lets_a_reply_whose_voice_is_looked_for_begin() -> None:
    engine, looked, found = FakeEngine(frames=2), asyncio.Event(), asyncio.Event()

    async def look() -> None:
        looked.set()
        await found.wait()

    config = replace(Config(), uri="tcp://127.0.0.1:0", sound=AS_MADE)
    answers = dataclasses.replace(AnswerContext.of(config, Fallback([engine])), look=look)
    async with Server(config, answers) as server, peer(server) as client:
        await client.send(Synthesize("Hello.", SynthesizeVoice("new")).event())
        await looked.wait()
        draining = asyncio.create_task(server.drain())
        await eventually(lambda: not server.addresses)
        found.set()
        assert types(await client.rest()) == ["audio-start", "audio-chunk", "audio-stop"]
        await draining


async def test_a_balancer_finds_the_server_there_until_its_replies_are_over() -> None:
    """Else it takes it for dead, and ends them."""
    engine = FakeEngine(frames=5)
    proxied = BalancerConfig(proxies=("127.0.9.9",))
    async with spoken_to(engine, balancer=proxied) as (server, client):
        port = port_of(server)
        draining = asyncio.create_task(server.drain())
        async with peer(server, port=port) as balancer:
            await balancer.send(Describe().event())
            assert (await balancer.until("info"))[-1].type == "info"
        engine.hold.set()
        assert types(await client.rest())[:3] == ["audio-start", "audio-chunk", "audio-stop"]
        await draining
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


@pytest.mark.parametrize("balancer", [{"proxies": ("127.0.9.9",)}, {"agent": 10_201}])
async def test_who_a_balancer_still_sends_is_spoken_to_once(balancer: dict[str, Any]) -> None:
    """Nobody has told it to send no more; or no other replica is ready, and it has to."""
    engine = FakeEngine(frames=2, frame_seconds=0.03)
    async with spoken_to(engine, balancer=BalancerConfig(**balancer)) as (server, client):
        draining = asyncio.create_task(server.drain())
        async with peer(server) as checking, peer(server) as late:
            await checking.send(Describe().event())
            await checking.until("info")  # it stays, and is not waited for
            await late.send(say("One is. Two is. Three is."), say("Four is."))
            await eventually(lambda: engine.speaking == 2)
            engine.hold.set()
            assert (await client.rest())[-1].type == "audio-stop"
            await draining
            assert engine.finished[-1] == "Three is."
            events = await late.rest()
        assert types(events)[-2:] == ["audio-stop", "error"]
        assert "stopping" in events[-1].data["text"]


async def test_draining_lets_an_open_stream_be_written_to_its_end() -> None:
    engine = FakeEngine(frames=2)
    async with serving(engine) as server, peer(server) as client:
        await client.send(START, SynthesizeChunk("One is. And").event())
        await client.read()
        draining = asyncio.create_task(server.drain())
        await eventually(lambda: not server.addresses)
        await client.send(SynthesizeChunk(" two").event(), SynthesizeStop().event())
        assert (await client.rest())[-1].type == "synthesize-stopped"
        await draining
    assert engine.finished == ["One is.", "And two"]


async def test_who_only_writes_on_after_a_failure_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wyoming_csm.server.connection.STREAM_LINGER_SECONDS", PATIENCE)
    engine = FakeEngine(fail_after=0)
    limits = Limits(shutdown_seconds=PATIENCE)
    async with serving(engine, limits=limits) as server, peer(server) as client:
        await client.send(START, SynthesizeChunk("One is. And").event())
        assert types(await client.rest()) == ["error"]
        async with asyncio.timeout(PATIENCE / 2):
            await server.drain()


async def test_half_a_stream_is_never_passed_off_as_a_whole_one() -> None:
    engine = FakeEngine(frames=2)
    limits = Limits(shutdown_seconds=0.1)
    async with serving(engine, limits=limits) as server, peer(server) as client:
        await client.send(START, SynthesizeChunk("One is. Do not").event())
        await client.read()
        await server.drain()
        await server.__aexit__(None, None, None)
        assert types(await client.rest()) == ["audio-chunk", "error"]
    assert engine.finished == ["One is."]


async def test_a_reply_that_outlasts_the_draining_is_told() -> None:
    engine = FakeEngine()
    async with spoken_to(engine, limits=Limits(shutdown_seconds=0.1)) as (server, client):
        begin = time.perf_counter()
        await server.drain()
        assert 0.05 < time.perf_counter() - begin < 5  # its end never comes
        await server.__aexit__(None, None, None)
        assert types(await client.rest()) == ["error"]
    assert len(engine.cancelled) == 1


async def test_leaving_the_block_ends_everything() -> None:
    engine = FakeEngine()
    engine.hold.clear()
    async with AsyncExitStack() as outlives:
        async with serving(engine) as server:
            client = await outlives.enter_async_context(peer(server))
            await client.send(say())
            await eventually(lambda: engine.speaking == 1)
        assert types(await client.rest()) == ["error"]
    assert engine.speaking == 0
