"""The listening sockets: addresses, limits of connections, strangers, no descriptors, the end."""

import asyncio
import logging
import socket
import subprocess
import sys
import textwrap
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from wyoming.client import AsyncUnixClient
from wyoming.info import Describe
from wyoming.ping import Ping

from tests.fakes import FakeEngine
from tests.server.clients import (
    Peer,
    eventually,
    logged,
    peer,
    port_of,
    say,
    serving,
    spoken_to,
    types,
)
from tests.server.test_proxies import BALANCER, LOCAL, PROXY
from wyoming_csm.config import Limits
from wyoming_csm.errors import ConfigError
from wyoming_csm.server.wire import encode


async def pinged(client: Peer) -> None:
    await client.send(Ping().event())
    await client.until("pong")


async def test_ipv6_and_the_wildcard_for_both() -> None:
    async with serving(FakeEngine(), uri="tcp://[::1]:0") as server:
        reader, writer = await asyncio.open_connection("::1", port_of(server))
        await pinged(Peer(reader, writer))
        writer.transport.abort()
    async with serving(FakeEngine(), uri="tcp://[::]:0") as server, peer(server) as client:
        await pinged(client)
        (connection,) = server.connections
        assert connection.address == "127.0.0.1"  # not ::ffff:127.0.0.1


async def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "wyoming"
    for _ in range(2):
        async with serving(FakeEngine(), uri=f"unix://{path}") as server:
            assert server.addresses == ()
            async with AsyncUnixClient(path) as client:
                await client.write_event(say())
                event = await client.read_event()
                assert event is not None
                assert event.type == "audio-start"
        assert not path.exists()


async def test_a_socket_file_left_behind_is_no_obstacle_but_a_served_one_is(tmp_path: Path) -> None:
    path = tmp_path / "wyoming"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    async with serving(FakeEngine(), uri=f"unix://{path}"):
        with pytest.raises(ConfigError, match="in use"):
            async with serving(FakeEngine(), uri=f"unix://{path}"):
                pass
        assert path.exists()


async def test_addresses_that_cannot_be_had() -> None:
    async with serving(FakeEngine()) as server:
        with pytest.raises(ConfigError, match="in use"):
            async with serving(FakeEngine(), uri=f"tcp://127.0.0.1:{port_of(server)}"):
                pass
    with pytest.raises(ConfigError, match="cannot be had"):
        async with serving(FakeEngine(), uri="tcp://203.0.113.9:0"):
            pass
    with pytest.raises(ConfigError, match=r"tcp://0.0.0.0:7 listens on all"):
        async with serving(FakeEngine(), uri="tcp://*:7"):
            pass
    with pytest.raises(ConfigError, match="not an address"):
        async with serving(FakeEngine(), uri="tcp://no.such.host.invalid:0"):
            pass


async def test_strangers_are_closed_at_once_with_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    limits = Limits(networks=("127.0.0.3/32",))
    async with serving(FakeEngine(), limits=limits) as server:
        for _ in range(3):
            async with peer(server, "127.0.0.2") as stranger:
                assert await stranger.rest() == []
        async with peer(server, "127.0.0.3") as friend:
            await pinged(friend)
            assert len(server.connections) == 1
    (record,) = logged(caplog)
    assert record.getMessage() == (
        "Refused 127.0.0.2: not in the networks that may connect. If it is yours, write into"
        " config.yaml: limits: {networks: ['127.0.0.3/32', '127.0.0.2/32']}"
    )


@pytest.mark.parametrize("uri", ["tcp://127.0.0.1:0", "tcp://0.0.0.0:0", "tcp://[::]:0"])
async def test_the_machine_itself_is_never_a_stranger(
    uri: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A health check among them: from the address that it connects to."""
    limits = Limits(networks=("203.0.113.0/24",))
    async with serving(FakeEngine(), uri=uri, limits=limits) as server:
        async with peer(server) as itself:
            await pinged(itself)
        async with peer(server, "127.0.0.2") as other:
            assert await other.rest() == []
    assert len(logged(caplog)) == 1


async def test_beyond_the_limits_the_longest_idle_of_the_greediest_goes() -> None:
    """64 connections, 32 of them from one address: another address always gets in."""
    async with serving(FakeEngine()) as server:
        clients: list[Peer] = []

        async def connect(source: str) -> Peer:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port_of(server), local_addr=(source, 0)
            )
            clients.append(Peer(reader, writer))
            await pinged(clients[-1])
            return clients[-1]

        for _ in range(33):
            await connect("127.0.0.2")
        assert await clients[0].rest() == []  # the 33rd replaced it
        assert len(server.connections) == 32
        for _ in range(16):
            await connect("127.0.0.3")
        for _ in range(16):
            await connect("127.0.0.4")
        assert len(server.connections) == 64
        await pinged(clients[1])  # no longer the longest idle
        home_assistant = await connect("127.0.0.1")
        assert await clients[2].rest() == []
        assert len(server.connections) == 64
        await pinged(home_assistant)
        await pinged(clients[1])
        for client in clients:
            client.writer.transport.abort()


async def test_a_balancer_s_look_at_a_full_server_costs_nobody_his_sound() -> None:
    engine = FakeEngine(frames=2)
    limits = Limits(connections=1)
    async with spoken_to(engine, balancer=BALANCER, limits=limits) as (server, client):
        async with AsyncExitStack() as stack:
            looks = [await stack.enter_async_context(peer(server, PROXY)) for _ in range(16)]
            for one in looks:
                await one.send_bytes(LOCAL + encode(Describe().event()))
                await one.until("info")
            assert len(server.connections) == 17
            engine.hold.set()
            assert (await client.until("audio-stop"))[-1].type == "audio-stop"
            async with peer(server, PROXY) as one_more:  # counts, as anybody's
                await one_more.send_bytes(LOCAL + encode(Describe().event()))
                await one_more.until("info")
                assert await client.rest() == []
            for one in looks:
                await one.send(Ping().event())
                await one.until("pong")
        await eventually(lambda: not server.connections)
        async with peer(server, "127.0.0.4") as listener, peer(server, PROXY) as look:
            await listener.send(Ping().event())
            await listener.until("pong")
            await look.send_bytes(LOCAL + encode(Describe().event()))
            await look.until("info")
            await listener.send(Ping().event())  # those that left are not counted for ever
            await listener.until("pong")


async def test_a_peer_sent_away_while_spoken_to_is_told() -> None:
    engine = FakeEngine()
    async with spoken_to(engine, limits=Limits(connections=1)) as (server, client):
        async with peer(server, "127.0.0.2") as other:
            await pinged(other)
        assert types(await client.rest()) == ["error"]
    assert len(engine.cancelled) == 1


async def test_connections_sent_away_before_they_began() -> None:
    """A burst faster than the loop goes round leaves no socket behind."""
    async with serving(FakeEngine(), limits=Limits(connections=2)) as server:
        socks = [socket.create_connection(("127.0.0.1", port_of(server))) for _ in range(50)]
        async with peer(server, "127.0.0.2") as client:
            await pinged(client)
        assert len(server.connections) <= 2
        for sock in socks:
            sock.close()


async def test_limits_are_printed_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(FakeEngine()):
        pass
    assert "'text_characters': 10000" in caplog.text


_NO_DESCRIPTORS = """
    import asyncio, logging, resource, socket, sys
    from tests.fakes import FakeEngine
    from tests.server.clients import peer, port_of, serving
    from wyoming.info import Describe

    async def main():
        logging.basicConfig(level=logging.WARNING, stream=sys.stdout)
        accept, tries = socket.socket.accept, []

        def counted(sock):
            tries.append(sock)
            return accept(sock)

        socket.socket.accept = counted
        async with serving(FakeEngine()) as server:
            open_now = socket.socket().detach() + 1
            socks = [socket.socket() for _ in range(20)]
            resource.setrlimit(resource.RLIMIT_NOFILE, (open_now + 20 + 4, ) * 2)
            for sock in socks:
                sock.setblocking(False)
                sock.connect_ex(("127.0.0.1", port_of(server)))
            await asyncio.sleep(1.0)
            print("TRIES", len(tries))
            for sock in socks:
                sock.close()
            await asyncio.sleep(1.0)
            async with peer(server) as client:
                await client.send(Describe().event())
                print("THEN", (await client.read()).type)

    asyncio.run(main())
"""


@pytest.mark.slow
async def test_no_descriptors_left_cost_a_pause_and_a_line() -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", textwrap.dedent(_NO_DESCRIPTORS)],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=Path(__file__).parents[2],
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    assert sum("Too many open files" in line for line in lines) == 1
    assert "Traceback" not in done.stdout + done.stderr
    # One for each descriptor that was left, and two or three pauses.
    assert 0 < next(int(line.split()[1]) for line in lines if line.startswith("TRIES")) < 20
    assert "THEN info" in lines


async def test_describe_at_the_door_is_answered_within_a_second() -> None:
    for _ in range(10):  # other processes only add to it
        begin = time.perf_counter()
        async with serving(FakeEngine()) as server, peer(server) as client:
            await client.send(Describe().event())
            await client.until("info")
        if (seconds := time.perf_counter() - begin) < 1:
            break
    assert seconds < 1
