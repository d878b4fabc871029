"""Replicas that are half dead, or come back, behind the real HAProxy with the users' settings."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from benchmarks.balanced import Balancer, Replica
from benchmarks.replicas import configuration
from tests.fakes import AS_MADE, FakeEngine
from tests.faults.drill import PATIENCE, UNHURT, WHOLE, Answer, Drill, ask
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

    def configuration(self) -> str:
        text = super().configuration()
        for slow, quick in QUICKER.items():
            assert slow in text
            text = text.replace(slow, quick)
        return re.sub(r"(?m)^( +server b .*)", r"\1 fall 1000", text)


@asynccontextmanager
async def serving(replica: Replica, engine: FakeEngine) -> AsyncIterator[Server]:
    """A replica in this process."""
    config, admission = replica.config, Admission(replica.config.limits, ("127.0.2.1",))
    async with (
        Server(replace(config, sound=AS_MADE), Fallback([engine]), admission=admission) as server,
        Agent(config, [engine], admission),
    ):
        yield server


@asynccontextmanager
async def balancing(replicas: list[Replica], folder: Path) -> AsyncIterator[Balancer]:
    balancer = QuickBalancer(replicas)
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


def is_whole(answer: Answer) -> bool:
    return (answer.kinds, answer.sound) == (UNHURT, WHOLE)
