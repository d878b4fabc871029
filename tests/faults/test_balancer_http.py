"""Replicas that vanish, or are half dead, behind the real HAProxy: what comes of it over HTTP."""

import asyncio
from contextlib import suppress
from pathlib import Path

from benchmarks.balanced import Balancer, Replica
from benchmarks.replicas import configuration
from tests.faults.balancing import MARKS, WITHIN, QuickBalancer, balancing
from tests.faults.drill import PATIENCE

pytestmark = MARKS


class PlainBalancer(QuickBalancer):
    """HAProxy just as users have it: by its checks it finds nothing out before two seconds."""

    configuration = Balancer.configuration


class HttpDoors:
    """Replicas' HTTP doors, as far as this goes, and who asks: what /long is asked for waits."""

    def __init__(self, replicas: list[Replica]) -> None:
        self.ports = [one.http_port for one in replicas]
        self.long: asyncio.Queue[tuple[int, asyncio.StreamWriter]] = asyncio.Queue()  # by the port
        self.looks: asyncio.Queue[None] = asyncio.Queue()  # at the first
        self.ends: list[asyncio.StreamWriter] = []  # of all connections
        self.status = "200 OK"  # that the first one's looks find; "": it never answers anything

    async def __aenter__(self) -> "HttpDoors":
        self.doors = [
            await asyncio.start_server(self._answer, "127.0.0.1", port) for port in self.ports
        ]
        return self

    async def __aexit__(self, *_error: object) -> None:
        for door in self.doors:
            door.close()
        for writer in self.ends:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.ends.append(writer)
        path = await reader.readuntil(b" HTTP/1.1\r\n")
        port = writer.get_extra_info("sockname")[1]
        status = self.status if port == self.ports[0] else "200 OK"
        if b"/long" in path:
            self.long.put_nowait((port, writer))
        elif status:
            head = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            writer.write(head.encode())
            writer.close()
            if b"/health" in path and port == self.ports[0]:
                self.looks.put_nowait(None)

    async def ask(self, path: bytes, balancer: QuickBalancer) -> asyncio.StreamReader:
        reader, writer = await asyncio.open_connection("127.0.0.1", balancer.http_port)
        self.ends.append(writer)
        writer.write(b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path)
        return reader

    async def wait(
        self, balancer: QuickBalancer
    ) -> dict[int, tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Ask each for what waits; return, by the port, where the client reads and the replica
        writes."""
        found: dict[int, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}
        async with asyncio.timeout(PATIENCE):
            while len(found) < len(self.ports):
                reader = await self.ask(b"/long", balancer)
                port, writer = await self.long.get()
                found[port] = reader, writer
        return found


async def test_several_that_vanish_at_once_cost_no_request_over_http(
    replicas: list[Replica], tmp_path: Path
) -> None:
    """It tries others before it has found out that these are gone."""
    replicas.append(Replica("c", configuration(tmp_path / "c", "fake"), None))
    async with (
        HttpDoors(replicas) as doors,
        balancing(replicas, tmp_path, PlainBalancer) as balancer,
    ):
        ends = await doors.wait(balancer)
        for door, port in zip(doors.doors[:2], doors.ports[:2], strict=True):
            door.close()
            ends[port][1].transport.abort()
        for _ in range(8):
            reader = await doors.ask(b"/", balancer)
            assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"


async def test_one_that_never_answers_lets_go_who_asked_over_http(
    replicas: list[Replica], tmp_path: Path
) -> None:
    """One that is not ready, or ends, does not: it answers those looks, and speaks to its end."""
    async with HttpDoors(replicas) as doors, balancing(replicas, tmp_path) as balancer:
        ends = await doors.wait(balancer)
        reader, writer = ends[doors.ports[0]]
        doors.status = "503 Service Unavailable"
        async with asyncio.timeout(PATIENCE):
            for _ in range(10):  # in two backends
                await doors.looks.get()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
            assert b" 200 OK" in await reader.readuntil(b"\r\n\r\n")
        doors.status = ""
        async with asyncio.timeout(WITHIN):
            assert await reader.read() == b"", "it is cut"
        ends[doors.ports[1]][1].write(b"HTTP/1.1 200 OK\r\n\r\n")
        assert await ends[doors.ports[1]][0].readline() == b"HTTP/1.1 200 OK\r\n"
