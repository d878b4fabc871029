"""The real HAProxy with the users' settings, but quicker, before replicas in this process."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from benchmarks.balanced import Balancer, Replica
from tests.fakes import AS_MADE, FakeEngine
from tests.faults.drill import PATIENCE, UNHURT, WHOLE, Answer, ask
from wyoming_csm.answer import AnswerContext
from wyoming_csm.engines.base import Engine
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.server.admission import Admission
from wyoming_csm.server.agent import Agent
from wyoming_csm.server.listener import Server

MARKS = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is not installed"),
]
WITHIN = 10.0  # seconds, until a half dead replica is found out, as docs/faults.md says
# Of the file: it finds out in a tenth of the time: tests need not wait, and a busy machine may.
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


def is_whole(answer: Answer) -> bool:
    return (answer.kinds, answer.sound) == (UNHURT, WHOLE)
