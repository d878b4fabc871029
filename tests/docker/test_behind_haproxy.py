"""Replicas behind the real HAProxy: what their callers get."""

import asyncio
import json
import re
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest
from aiohttp import ClientSession, CookieJar, WSMsgType
from msgspec.structs import replace
from wyoming.ping import Ping

from benchmarks.balanced import SOURCE, Balancer, Replica, balanced
from benchmarks.callers import Pattern, call_for
from benchmarks.fixtures.fake_child import FakeSettings
from benchmarks.replicas import configuration
from tests.docker.test_files import tool
from tests.fakes import FakeEngine
from tests.server.clients import eventually, peer
from tests.server.http.doors import doors
from wyoming_csm.server.agent import percent

FAKE = FakeSettings(
    slots=8, step_seconds=0.02, tone=True, ahead=1, frames_per_character=0.5, prefill_seconds=0.01
)


async def speaks_http(url: str) -> None:
    """A whole answer, events while it is made, and a WebSocket, which all pass HAProxy."""
    wish = {"input": "The door is open.", "response_format": "pcm"}
    async with ClientSession(url) as client:
        async with client.post("/v1/audio/speech", json=wish) as answer:
            assert answer.status == 200
            assert len(await answer.read()) > 10_000
        async with client.post("/v1/audio/speech", json=wish | {"stream_format": "sse"}) as answer:
            assert answer.content_type == "text/event-stream"
            assert b"speech.audio.done" in await answer.read()
        async with client.ws_connect("/api/stream") as live:
            await live.send_json({"type": "text", "text": "The door is open."})
            await live.send_json({"type": "end"})
            sound = 0
            async for message in live:
                if message.type is WSMsgType.BINARY:
                    sound += len(message.data)
                elif json.loads(message.data)["type"] == "end":
                    break
            assert sound > 10_000


async def asks_http(url: str, until: asyncio.Event) -> int:
    """Ask again and again, each time for the whole of it; return how often."""
    wish = {"input": "The door is open.", "response_format": "pcm"}
    asked = 0
    while not until.is_set():
        async with ClientSession(url) as client:
            for _ in range(2):  # the second on the same connection
                async with client.post("/v1/audio/speech", json=wish) as answer:
                    assert answer.status == 200, await answer.text()
                    assert len(await answer.read()) > 10_000
                asked += 1
    return asked


async def voices(url: str, browser: ClientSession) -> str:
    """The list of voices, asked for on a connection of its own."""
    async with browser.get(f"{url}/api/voices", headers={"Connection": "close"}) as answer:
        assert answer.status == 200
        return await answer.text()


async def test_a_browser_stays_with_its_replica(tmp_path: Path) -> None:
    """The page shows what that one has: a voice just made, and not one just deleted."""
    tool("haproxy")
    replicas = [Replica(name, configuration(tmp_path / name, "fake"), None) for name in "abc"]
    async with AsyncExitStack() as stack:
        for one in replicas:
            settings = {"http": one.config.http, "balancer": one.config.balancer}
            await stack.enter_async_context(doors(FakeEngine(one.name), **settings))
        balancer = Balancer(replicas)
        await balancer.start(tmp_path)
        try:
            url = f"http://127.0.0.1:{balancer.http_port}"
            jar = CookieJar(unsafe=True)  # also of an address
            async with ClientSession(cookie_jar=jar) as browser, ClientSession() as other:
                assert len({await voices(url, browser) for _ in range(9)}) == 1
                assert len({await voices(url, other) for _ in range(9)}) == 3
            for cookie in jar:
                assert cookie["httponly"]
                assert cookie["samesite"] == "Strict"
        finally:
            assert balancer.process is not None
            balancer.process.kill()
            await balancer.process.communicate()


class NarrowBalancer(Balancer):
    """HAProxy that lets one address have no more than three connections."""

    def configuration(self) -> str:
        text = super().configuration()
        assert text.count("gt 256 }") == 2
        return text.replace("gt 256 }", "gt 3 }")


async def test_one_address_takes_no_connections_from_others(tmp_path: Path) -> None:
    tool("haproxy")
    replica = Replica("a", configuration(tmp_path / "a", "fake"), None)
    settings = {"http": replica.config.http, "balancer": replica.config.balancer}
    async with (
        doors(FakeEngine(), uri=replica.config.uri, **settings) as both,
        AsyncExitStack() as stack,
    ):
        balancer = NarrowBalancer([replica])
        await balancer.start(tmp_path)
        try:
            greedy = "127.0.0.9"
            http = await stack.enter_async_context(peer(both.wyoming, greedy, balancer.http_port))
            await http.send_bytes(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert await http.reader.readline() == b"HTTP/1.1 200 OK\r\n"
            for _ in range(2):
                one = await stack.enter_async_context(peer(both.wyoming, greedy, balancer.port))
                await one.send(Ping().event())
                await one.until("pong")
            for port in (balancer.port, balancer.http_port):
                with suppress(ConnectionResetError):  # already as it connects
                    async with peer(both.wyoming, greedy, port) as one_more:
                        assert await one_more.rest() == []
            async with peer(both.wyoming, "127.0.0.8", balancer.port) as other:
                await other.send(Ping().event())
                await other.until("pong")
        finally:
            assert balancer.process is not None
            balancer.process.kill()
            await balancer.process.communicate()


async def until_it_speaks(replica: Replica, sentences: int) -> None:
    """Ask it as HAProxy does until so many of its slots are in use."""
    most, weight = percent(FAKE.slots - sentences, FAKE.slots), 100
    async with asyncio.timeout(20):
        while weight > most:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", replica.agent_port, local_addr=(SOURCE, 0)
            )
            found = re.search(rb"(\d+)%", await reader.readline())
            weight = int(found[1]) if found else 100
            writer.close()
            await writer.wait_closed()


@pytest.mark.slow(9)
async def test_a_killed_replica_takes_its_replies_and_a_drained_one_none(tmp_path: Path) -> None:
    tool("haproxy")
    configs = [configuration(tmp_path / name, "fake") for name in "abc"]
    agents = [replace(config.balancer, drain_seconds=1.5) for config in configs]
    configs = [replace(c, balancer=agent) for c, agent in zip(configs, agents, strict=True)]
    async with balanced(configs, FAKE, tmp_path) as balancer:
        killed, drained, _ = balancer.replicas
        port = balancer.port
        calling = asyncio.create_task(
            call_for(4.0, Pattern(12, think=0.5), lambda _: ("127.0.0.1", port))
        )
        names = {replica.name for replica in balancer.replicas}
        await eventually(
            lambda: {name for line in balancer.served.values() for name in line} >= names
        )
        url, over = f"http://127.0.0.1:{balancer.http_port}", asyncio.Event()
        asking = [asyncio.create_task(asks_http(url, over)) for _ in range(4)]
        assert await drained.drain() == 0  # it ends by itself, after those that it speaks to
        over.set()
        assert min(await asyncio.gather(*asking)) > 0
        long = Pattern(8, think=0.05, sentences=4)  # replies of some seconds
        listening = asyncio.create_task(call_for(1.0, long, lambda _: ("127.0.0.1", port)))
        await until_it_speaks(killed, 3)
        await killed.kill()
        gone = time.monotonic()
        for _ in range(50):  # a second, or more where this process itself had to wait
            await asyncio.sleep(0.02)
        soon = time.monotonic()
        calls = sorted(await calling + await listening, key=lambda call: call.asked)
        await speaks_http(url)
    by = [(call, balancer.served[call.source].popleft()) for call in calls if call.source]
    cut = [(call, name) for call, name in by if call.outcome != "whole"]
    assert cut, "nobody was spoken to by the killed one"
    assert all(name == killed.name and call.asked < gone for call, name in cut), cut
    assert all(call.ended < soon for call, _ in cut), [call.ended - gone for call, _ in cut]
    assert all(call.source for call in calls)  # each found a replica
