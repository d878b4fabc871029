"""The end of the server over HTTP: replies in flight are whole, and behind a balancer nobody who
asks in that moment is cut off."""

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import ClientPayloadError, ClientResponse, ClientSession, WSCloseCode, WSMsgType

from tests.fakes import FakeEngine
from tests.server.clients import eventually
from tests.server.http.doors import Doors, doors
from tests.server.http.raw import raw
from wyoming_csm.config import BalancerConfig, Limits

SPEECH = "/v1/audio/speech"
FRAME_BYTES = 3_840
BALANCED = BalancerConfig(proxies=("127.0.9.9",))
ASK = b"GET /api/text-to-speech?text=Late. HTTP/1.1\r\nHost: a.local\r\n\r\n"


async def spoken(both: Doors) -> tuple[bytes, str | None]:
    """What somebody gets who comes new, and what is to become of the connection."""
    wish = {"input": "One is.", "response_format": "pcm"}
    async with ClientSession(both.url) as client, client.post(SPEECH, json=wish) as answer:
        assert answer.status == 200
        return await answer.read(), answer.headers.get("Connection")


async def test_who_a_balancer_still_sends_is_spoken_to_and_checks_say_that_it_ends() -> None:
    engine = FakeEngine(frames=3)
    engine.hold.clear()
    async with doors(engine, balancer=BALANCED) as both, raw(both) as arriving:
        await eventually(lambda: len(both.http.connections) == 1)
        first = asyncio.create_task(spoken(both))
        await eventually(lambda: engine.speaking == 1)
        draining = asyncio.create_task(both.http.drain())
        async with ClientSession(both.url) as check:
            async with check.get("/health") as answer:
                assert (answer.status, answer.headers["Connection"]) == (503, "close")
            async with check.get("/health/live") as answer:
                assert answer.status == 200
        late = asyncio.create_task(spoken(both))
        arriving.send(ASK)
        await eventually(lambda: engine.speaking == 3)
        engine.hold.set()
        for sound, connection in (await first, await late):
            assert (len(sound), connection) == (3 * FRAME_BYTES, "close")
        assert (await arriving.rest()).startswith(b"HTTP/1.1 200 ")
        await draining


async def test_a_request_that_has_begun_is_taken_to_its_end() -> None:
    body = b'{"input": "One is.", "response_format": "pcm"}'
    head = (
        f"POST {SPEECH} HTTP/1.1\r\nHost: a.local\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    async with doors(FakeEngine(frames=3)) as both, raw(both) as idle, raw(both) as one:
        one.send(head.encode() + body[:9])
        await eventually(lambda: any(each.busy for each in both.http.connections))
        draining = asyncio.create_task(both.http.drain())
        assert await idle.rest() == b""
        one.send(body[9:])
        assert await one.status() == 200
        await draining


async def conversation(both: Doors, talks: bool, engine: FakeEngine) -> list[Any]:
    """What a WebSocket is told from the moment in which the server is to end."""
    async with both.client.ws_connect("/api/stream") as live:
        if talks:
            await live.send_json({"type": "text", "text": "One is."})
            await eventually(lambda: engine.speaking == 1)
        draining = asyncio.create_task(both.http.drain())
        if talks:
            await live.send_json({"type": "text", "text": " Two is."})
            await live.send_json({"type": "end"})
            engine.hold.set()
        found = [message async for message in live]
        assert live.close_code == WSCloseCode.GOING_AWAY
    await draining
    return found


async def test_a_conversation_ends_with_what_is_being_said() -> None:
    engine = FakeEngine(frames=3)
    engine.hold.clear()
    async with doors(engine) as both:
        found = await conversation(both, True, engine)
    assert sum(len(m.data) for m in found if m.type is WSMsgType.BINARY) == 6 * FRAME_BYTES
    assert engine.finished == ["One is.", "Two is."]


async def test_a_conversation_in_which_nobody_speaks_is_told_that_the_server_goes() -> None:
    async with doors(FakeEngine()) as both:
        assert await conversation(both, False, FakeEngine()) == []


async def test_a_conversation_that_outlasts_the_draining_is_told() -> None:
    engine = FakeEngine()
    engine.hold.clear()
    async with (
        doors(engine, limits=Limits(shutdown_seconds=0.1)) as both,
        both.client.ws_connect("/api/stream") as live,
    ):
        await live.send_json({"type": "text", "text": "One is."})
        await live.send_json({"type": "end"})
        await eventually(lambda: engine.speaking == 1)
        draining = asyncio.create_task(both.http.drain())
        (told,) = [json.loads(message.data) async for message in live]
        await draining
        assert told["error"]["message"] == "the server is stopping"
        assert live.close_code == WSCloseCode.GOING_AWAY


async def rest_of(answer: ClientResponse) -> bytes:
    """All that came before the connection broke, which nobody takes for a whole answer."""
    body = b""
    with suppress(ClientPayloadError):
        while part := await answer.content.readany():
            body += part
        pytest.fail("it looks whole")
    return body


async def test_events_that_outlast_the_draining_end_with_the_reason() -> None:
    engine = FakeEngine(frames=10_000, frame_seconds=0.01)
    async with doors(engine, limits=Limits(shutdown_seconds=0.1)) as both:
        wish = {"input": "One is.", "stream_format": "sse", "response_format": "pcm"}
        async with both.client.post(SPEECH, json=wish) as answer:
            body = await answer.content.readuntil(b"\n\n")
            draining = asyncio.create_task(both.http.drain())
            body += await rest_of(answer)
            await draining
    last = json.loads(body.rstrip().rpartition(b"\n\n")[2].removeprefix(b"data: "))
    assert (last["type"], last["error"]["message"]) == ("error", "the server is stopping")
