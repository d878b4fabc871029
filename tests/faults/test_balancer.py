"""Replicas that are half dead, or come back, behind the real HAProxy with the users' settings."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from benchmarks.balanced import Balancer, Replica
from benchmarks.replicas import configuration
from tests.engines.helpers import Make, started
from tests.fakes import AS_MADE, FakeEngine
from tests.faults.drill import PATIENCE, UNHURT, WHOLE, Answer, Drill, ask
from wyoming_csm.answer import AnswerContext
from wyoming_csm.engines import watchdog
from wyoming_csm.engines.base import Engine, Phase, Status
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.faults import VARIABLE
from wyoming_csm.server.admission import Admission
from wyoming_csm.server.agent import Agent
from wyoming_csm.server.listener import Server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is not installed"),
]
# Of the file: it finds out in a tenth of the time, or the test would wait for it.
QUICKER = {
    "inter 1s": "inter 100ms",
    "agent-inter 500ms": "agent-inter 50ms",
    "timeout check 2s": "timeout check 200ms",
    "slowstart 10s": "slowstart 100ms",
}


class QuickBalancer(Balancer):
    """HAProxy that looks ten times as often, and believes in the second replica: this process may
    be too slow to answer it in time."""

    def __init__(self, replicas: list[Replica]) -> None:
        super().__init__(replicas)
        self.lines: asyncio.Queue[str] = asyncio.Queue()  # of its log, about replicas

    def note(self, line: str) -> None:
        super().note(line)
        if line.startswith(("Server ", "backend ")):
            self.lines.put_nowait(line)

    async def until(self, said: str) -> None:
        """Wait until it says that of a replica, or of all."""
        async with asyncio.timeout(PATIENCE):
            while said not in await self.lines.get():
                pass

    def configuration(self) -> str:
        text = super().configuration()
        for slow, quick in QUICKER.items():
            assert slow in text
            text = text.replace(slow, quick)
        return re.sub(r"(?m)^( +server b .*)", r"\1 fall 1000", text)


class PlainBalancer(QuickBalancer):
    """HAProxy just as users have it: by its checks it finds nothing out before two seconds."""

    configuration = Balancer.configuration


@asynccontextmanager
async def serving(replica: Replica, *engines: Engine) -> AsyncIterator[Server]:
    """A replica in this process."""
    config, admission = replica.config, Admission(replica.config.limits, ("127.0.2.1",))
    answers = AnswerContext.of(replace(config, sound=AS_MADE), Fallback(engines))
    async with (
        Server(answers.config, answers, admission) as server,
        Agent(config, engines, admission),
    ):
        yield server


@asynccontextmanager
async def balancing(
    replicas: list[Replica], folder: Path, kind: type[QuickBalancer] = QuickBalancer
) -> AsyncIterator[QuickBalancer]:
    balancer = kind(replicas)
    await balancer.start(folder)
    following = asyncio.create_task(balancer.follow())
    assert balancer.process is not None
    try:
        yield balancer
    finally:
        balancer.process.kill()
        await balancer.process.wait()
        await following


async def asked_until(server: Server, port: int, engine: FakeEngine) -> None:
    """Ask again and again; nobody tells when HAProxy takes a replica for able."""
    engine.finished.clear()
    async with asyncio.timeout(PATIENCE):
        while not engine.finished:
            answer = await ask(server, port=port)
            assert (answer.kinds, answer.sound) == (UNHURT, WHOLE)


@pytest.fixture
def replicas(tmp_path: Path) -> list[Replica]:
    return [Replica(name, configuration(tmp_path / name, "fake"), None) for name in "ab"]


async def test_one_that_never_answers_is_left_and_found_again(
    replicas: list[Replica], drill: Drill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = FakeEngine(), FakeEngine()
    async with serving(replicas[0], one) as server:
        monkeypatch.delenv(VARIABLE)  # the other one is well
        async with serving(replicas[1], other), balancing(replicas, tmp_path) as balancer:
            await asked_until(server, balancer.port, one)
            await asked_until(server, balancer.port, other)
            one.hold.clear()
            asking: list[asyncio.Task[Answer]] = []
            async with asyncio.timeout(PATIENCE):
                while not one.speaking:
                    asking.append(asyncio.create_task(ask(server, port=balancer.port)))
                    await asyncio.sleep(0.05)
            drill.set("door stall")  # it accepts, and answers nobody
            one.hold.set()
            asking.append(asyncio.create_task(ask(server, port=balancer.port)))
            answers = await asyncio.gather(*asking)
            assert [] in [answer.events for answer in answers]
            assert all(is_whole(answer) or not answer.events for answer in answers)
            for _ in range(4):
                assert is_whole(await ask(server, port=balancer.port))
            drill.set()
            await asked_until(server, balancer.port, one)


async def test_one_that_comes_back_is_asked_again(replicas: list[Replica], tmp_path: Path) -> None:
    one, other = FakeEngine(), FakeEngine()
    async with serving(replicas[1], other) as server, balancing(replicas, tmp_path) as balancer:
        await asked_until(server, balancer.port, other)
        async with serving(replicas[0], one):
            await asked_until(server, balancer.port, one)
        for _ in range(4):
            assert is_whole(await ask(server, port=balancer.port))
        async with serving(replicas[0], one):
            await asked_until(server, balancer.port, one)


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
            assert await reader.read() == b"", "it is cut"
        ends[doors.ports[1]][1].write(b"HTTP/1.1 200 OK\r\n\r\n")
        assert await ends[doors.ports[1]][0].readline() == b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("fault", ["die", "stop"])
async def test_one_whose_only_process_is_lost_goes_on_when_it_is_back(
    replicas: list[Replica], make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """HAProxy lets the reply go on, and a newcomer wait: there is no other replica."""
    monkeypatch.setattr(watchdog, "STALL_SECONDS", 1.5)
    once = str(tmp_path / "once")
    engine = make(
        fault=fault, once=once, only_in="Two is.", silent_seconds=2.5, restart_seconds=0.5
    )
    await started(engine)
    async with serving(replicas[0], engine) as server, balancing(replicas, tmp_path) as balancer:
        await balancer.until("Server wyoming-last/b is DOWN")
        asking = asyncio.create_task(ask(server, "One is. Two is.", port=balancer.port))
        await balancer.until("Server wyoming/a enters drain state")
        assert not asking.done()
        newcomer = asyncio.create_task(ask(server, port=balancer.port))
        answer = await asking
        assert (answer.kinds, answer.sound, answer.error) == (UNHURT, 2 * WHOLE, "")
        assert is_whole(await newcomer)
        await balancer.until("Server wyoming/a is UP (leaving forced drain)")
        assert is_whole(await ask(server, port=balancer.port))


async def test_where_none_can_speak_the_reason_is_told(
    replicas: list[Replica], tmp_path: Path
) -> None:
    engine = FakeEngine(status=Status(Phase.ABSENT, "it is broken"))
    async with serving(replicas[0], engine) as server, balancing(replicas, tmp_path) as balancer:
        await balancer.until("backend wyoming has no server available")
        answer = await ask(server, port=balancer.port)
        assert answer.kinds[-1] == "error"
        assert "it is broken" in answer.error


async def test_one_that_loads_is_asked_last(replicas: list[Replica], tmp_path: Path) -> None:
    """A replica without connections comes first in HAProxy's eyes, whatever its weight."""
    loading, stand_in, other = FakeEngine("csm"), FakeEngine("system"), FakeEngine("csm")
    loading.become(Phase.STARTING)
    async with (
        serving(replicas[0], loading, stand_in) as server,
        serving(replicas[1], other),
        balancing(replicas, tmp_path) as balancer,
    ):
        await balancer.until("Server wyoming/a enters drain state")
        for _ in range(4):
            assert is_whole(await ask(server, port=balancer.port))
        assert stand_in.finished == []


def is_whole(answer: Answer) -> bool:
    return (answer.kinds, answer.sound) == (UNHURT, WHOLE)
