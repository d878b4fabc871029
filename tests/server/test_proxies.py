"""Behind a balancer: who is believed to connect for somebody, in which words, and who is not."""

import asyncio
import random
import socket
from contextlib import ExitStack
from ipaddress import ip_address

import pytest
from wyoming.info import Describe
from wyoming.ping import Ping

from tests.fakes import FakeEngine
from tests.server.clients import (
    Peer,
    peer,
    port_of,
    say,
    serving,
    types,
    warnings,
)
from tests.server.http.doors import doors
from tests.server.http.raw import raw
from wyoming_csm.config import BalancerConfig, Limits
from wyoming_csm.errors import ProtocolError
from wyoming_csm.server.proxy_header import read_client
from wyoming_csm.server.wire import encode

PROXY, STRANGER = "127.0.0.2", "127.0.0.3"
BALANCER = BalancerConfig(proxies=("127.0.0.2/32", "2001:db8::/32"))
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
FIRST = b"PROXY TCP4 192.168.1.9 10.0.0.1 56324 10200\r\n"


def second(client: str, more: bytes = b"", command: int = 0x21, kind: int | None = None) -> bytes:
    """A header of version 2 for a client's address, with `more` behind the addresses."""
    packed = ip_address(client).packed
    rest = packed + packed + (56_324).to_bytes(2) + (10_200).to_bytes(2) + more
    kind = kind if kind is not None else 0x11 if len(packed) == 4 else 0x21
    return SIGNATURE + bytes([command, kind]) + len(rest).to_bytes(2) + rest


LOCAL = SIGNATURE + b"\x20\0\0\0"  # as HAProxy checks: nothing but that
OTHERS = [
    LOCAL,
    second("192.168.1.9", command=0x20),  # what it says then is nothing
    SIGNATURE + b"\x21\0\0\0",
    SIGNATURE + b"\x21\x31\0\xd8" + bytes(216),  # a Unix socket
    b"PROXY UNKNOWN\r\n",
    b"PROXY UNKNOWN 8.8.8.8 ffff:f...f:ffff 1 2\r\n",
]


@pytest.mark.parametrize(
    ("header", "client"),
    [
        (FIRST, "192.168.1.9"),
        (b"PROXY TCP6 fd00::9 fd00::1 0 65535\r\n", "fd00::9"),
        (b"PROXY TCP6 ::ffff:192.168.1.9 ::1 1 2\r\n", "192.168.1.9"),
        (second("192.168.1.9"), "192.168.1.9"),
        (second("fd00::9"), "fd00::9"),
        (second("192.168.1.9", more=b"\3\0\4\1\2\3\4" + b"\5\1\0" + b"x" * 256), "192.168.1.9"),
    ],
)
async def test_the_client_is_the_one_that_a_balancer_names(header: bytes, client: str) -> None:
    engine = FakeEngine()
    async with serving(engine, balancer=BALANCER) as server, peer(server, PROXY) as one:
        await one.send_bytes(header + encode(say()))  # nothing behind the header is lost
        assert types(await one.until("audio-stop")) == ["audio-start", "audio-chunk", "audio-stop"]
        assert [c.address for c in server.connections] == engine.clients == [client]


@pytest.mark.parametrize("header", [FIRST, second("192.168.1.9"), LOCAL])
async def test_a_header_may_come_a_byte_at_a_time(header: bytes) -> None:
    async with serving(FakeEngine(), balancer=BALANCER) as server, peer(server, PROXY) as one:
        one.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in header:
            await one.send_bytes(bytes([byte]))
            await asyncio.sleep(0)
        await one.send(Ping().event())
        await one.until("pong")


@pytest.mark.parametrize("header", OTHERS)
async def test_a_balancer_may_look_after_the_server_itself(header: bytes) -> None:
    limits = Limits(networks=("10.0.0.0/8",))  # in which it is not
    async with (
        serving(FakeEngine(), balancer=BALANCER, limits=limits) as server,
        peer(server, PROXY) as one,
    ):
        await one.send_bytes(header + encode(Describe().event()))
        assert types(await one.until("info")) == ["info"]
        assert [c.address for c in server.connections] == [PROXY]


@pytest.mark.parametrize(
    "header",
    [
        encode(Describe().event()),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PROXY TCP4 192.168.1.9\r\n",
        b"PROXY TCP4 192.168.1.9 10.0.0.1 56324\r\n",
        b"PROXY TCP4 192.168.1.9 10.0.0.1 56324 65536\r\n",
        b"PROXY TCP4 192.168.1.9 10.0.0.1 +1 10200\r\n",
        b"PROXY TCP4 192.168.1.9 10.0.0.1 1 10200 \r\n",
        b"PROXY TCP4 192.168.1.9 10.0.0.1 \xd9\xa1 10200\r\n",  # a digit, but of no port
        b"PROXY TCP4 fd00::9 fd00::1 56324 10200\r\n",
        b"PROXY TCP6 192.168.1.9 10.0.0.1 56324 10200\r\n",
        b"PROXY TCP4 example.org 10.0.0.1 56324 10200\r\n",
        b"PROXY TCP6 fe80::1%\x1b[31m\nOK fe80::2 1 2\r\n",
        b"PROXY TCP6 fe80::1 fe80::2%eth0 1 2\r\n",
        b"PROXY UDP4 192.168.1.9 10.0.0.1 56324 10200\r\n",
        b"PROXY UNKNOWN " + b"x" * 94,  # 108 bytes without an end
        SIGNATURE[:-1] + b"\r",
        SIGNATURE + b"\x11\x11\0\x0c" + bytes(12),  # version 1 in the form of 2
        SIGNATURE + b"\x22\x11\0\x0c" + bytes(12),
        SIGNATURE + b"\x21\x12\0\x0c" + bytes(12),  # UDP
        SIGNATURE + b"\x21\x11\0\x0b" + bytes(11),
        SIGNATURE + b"\x21\x21\0\x23" + bytes(35),
        SIGNATURE + b"\x20\0\x08\x01" + bytes(2_049),
    ],
)
async def test_what_is_no_header_is_refused(
    header: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(FakeEngine(), balancer=BALANCER) as server, peer(server, PROXY) as one:
        await one.send_bytes(header)
        assert await one.rest() == []
        assert not server.connections
    assert [w for w in warnings(caplog) if "balancer 127.0.0.2" in w and "send-proxy-v2" in w]
    assert "unpack" not in caplog.text, "Python's own words say nothing to a reader"
    assert "no whole PROXY header in" not in caplog.text, (
        "what it is shows without waiting for more"
    )


@pytest.mark.parametrize("header", [FIRST, second("192.168.1.9"), LOCAL])
async def test_a_header_of_somebody_else_is_refused_and_says_what_to_do(header: bytes) -> None:
    engine = FakeEngine()
    async with serving(engine, balancer=BALANCER) as server, peer(server, STRANGER) as one:
        await one.send_bytes(header + encode(say()))
        (event,) = await one.rest()
    assert event.type == "error"
    assert "balancer.proxies" in event.data["text"]
    assert not engine.asked


async def test_without_a_header_somebody_else_is_served() -> None:
    async with serving(FakeEngine(), balancer=BALANCER) as server, peer(server, STRANGER) as one:
        await one.send(say())
        await one.until("audio-stop")


@pytest.mark.parametrize("part", [b"", b"PROXY TCP4 192.168", SIGNATURE, second("10.1.2.3")[:-1]])
async def test_a_header_has_its_time_and_keeps_nobody_waiting(
    part: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    limits = Limits(event_seconds=0.2)
    async with (
        serving(FakeEngine(), balancer=BALANCER, limits=limits) as server,
        peer(server, PROXY) as slow,
    ):
        await slow.send_bytes(part)
        async with peer(server, PROXY) as one:
            await one.send_bytes(FIRST + encode(Ping().event()))
            await one.until("pong")
        assert await slow.rest() == []
    assert any("no whole PROXY header in 0.2 s" in line for line in warnings(caplog))


async def test_the_end_of_the_server_does_not_wait_for_a_header() -> None:
    async with serving(FakeEngine(), balancer=BALANCER) as server, peer(server, PROXY) as one:
        await one.send_bytes(b"PROXY ")
        async with peer(server, PROXY) as other:
            await other.send_bytes(FIRST + encode(Ping().event()))
            await other.until("pong")
        await server.drain()
        assert await one.rest() == []


async def test_headers_that_do_not_come_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(FakeEngine(), balancer=BALANCER) as server:
        with ExitStack() as silent:
            for _ in range(256):
                address = "127.0.0.1", port_of(server)
                silent.enter_context(socket.create_connection(address, source_address=(PROXY, 0)))
                await asyncio.sleep(0)  # it accepts
            async with peer(server, PROXY) as one_more:
                assert await one_more.rest() == []
            brought = silent.enter_context(
                socket.create_connection(("127.0.0.1", port_of(server)), source_address=(PROXY, 0))
            )
            brought.sendall(FIRST + encode(Ping().event()))  # before it is accepted
            reader, writer = await asyncio.open_connection(sock=brought)
            await Peer(reader, writer).until("pong")
            writer.close()
            async with peer(server, STRANGER) as other:
                await other.send(Ping().event())
                await other.until("pong")
    assert any("256 others have not brought" in line for line in warnings(caplog))


async def test_the_networks_are_those_of_the_client(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(FakeEngine(), balancer=BALANCER) as server, peer(server, PROXY) as one:
        await one.send_bytes(second("8.8.8.8") + encode(Ping().event()))
        assert await one.rest() == []
    assert any(line.startswith("Refused 8.8.8.8: not in the networks") for line in warnings(caplog))


async def test_the_limit_by_address_is_on_the_client() -> None:
    limits = Limits(connections_per_address=1)
    async with (
        serving(FakeEngine(), balancer=BALANCER, limits=limits) as server,
        peer(server, PROXY) as first,
        peer(server, PROXY) as other,
    ):
        for one, address in ((first, "192.168.1.9"), (other, "192.168.1.10")):
            await one.send_bytes(second(address) + encode(Ping().event()))
            await one.until("pong")
        async with peer(server, PROXY) as again:
            await again.send_bytes(second("192.168.1.9") + encode(Ping().event()))
            await again.until("pong")
            assert await first.rest() == []
        await other.send(Ping().event())
        await other.until("pong")


@pytest.mark.parametrize("named", [PROXY, "127.0.0.1"])
async def test_whom_a_balancer_names_is_neither_that_balancer_nor_this_machine(
    named: str, caplog: pytest.LogCaptureFixture
) -> None:
    """These may connect themselves, whatever the networks; a client at their address may not."""
    limits = Limits(networks=("10.0.0.0/8",))
    async with (
        serving(FakeEngine(), balancer=BALANCER, limits=limits) as server,
        peer(server, PROXY) as one,
    ):
        await one.send_bytes(second(named) + encode(Ping().event()))
        assert await one.rest() == []
    said = f"Refused {named}: not in the networks"
    assert any(line.startswith(said) for line in warnings(caplog))


@pytest.mark.parametrize("header", [FIRST, second("192.168.1.9")])
async def test_http_takes_the_client_as_well(header: bytes) -> None:
    engine = FakeEngine()
    body = b'{"input": "Hello.", "response_format": "pcm"}'
    request = (
        b"POST /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body)
    )
    async with doors(engine, balancer=BALANCER) as house:
        async with raw(house, PROXY) as one:
            one.send(header + request)
            assert await one.status() == 200
            await one.rest()
        assert engine.clients == ["192.168.1.9"]
        async with raw(house, PROXY) as one:
            one.send(request)
            assert await one.status() == 0
        async with raw(house, STRANGER) as one:
            one.send(header + request)
            assert await one.status() == 400
    assert engine.clients == ["192.168.1.9"]


async def test_no_bytes_do_more_than_be_refused() -> None:
    chance = random.Random(4)
    good = [FIRST, second("192.168.1.9"), second("fd00::9", b"\4\0\1x"), *OTHERS]
    for number in range(400):
        data = bytearray(chance.choice(good))
        for _ in range(chance.randrange(4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        near, far = socket.socketpair()
        with near, far:
            near.setblocking(False)
            far.sendall(data[: chance.randrange(len(data)) if number % 3 == 0 else None])
            far.shutdown(socket.SHUT_WR)
            try:
                client = await read_client(near)
            except ProtocolError:
                continue
            assert client is None or ip_address(client[0])
