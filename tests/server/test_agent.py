"""What HAProxy's agent-check is told of a server, and who may ask."""

import asyncio
import json
import signal
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from msgspec.structs import replace
from wyoming.info import Describe

from benchmarks.server import ROOT, free_port, until_open
from tests.fakes import FakeEngine
from tests.server.clients import PATIENCE, eventually, peer, say, serving
from wyoming_csm.answer import AnswerContext
from wyoming_csm.config import BalancerConfig, Config, Limits
from wyoming_csm.engines.base import Engine, Phase
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.errors import ConfigError
from wyoming_csm.server.admission import Admission
from wyoming_csm.server.agent import Agent, percent
from wyoming_csm.server.listener import Server
from wyoming_csm.server.wire import encode


def agent(*engines: Engine, limits: Limits | None = None, address: str = "127.0.0.1:0") -> Agent:
    config = Config(balancer=BalancerConfig(agent=address), limits=limits or Limits())
    return Agent(config, engines, Admission(config.limits))


async def told(port: int, source: str = "127.0.0.1") -> str:
    """What it says to somebody who says nothing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    try:
        async with asyncio.timeout(PATIENCE):
            return (await reader.read()).decode()
    finally:
        writer.close()


async def test_free_slots_are_the_weight() -> None:
    engine = FakeEngine(slots=4)
    engine.hold.clear()
    async with serving(engine) as server, agent(engine) as one:
        assert await told(one.port) == "up ready 100%\n"
        async with peer(server) as first, peer(server) as other:
            await first.send(say())
            await eventually(lambda: engine.speaking == 1)
            assert await told(one.port) == "up ready 88%\n"
            await other.send(say())
            await eventually(lambda: engine.speaking == 2)
            assert await told(one.port) == "up ready 75%\n"


async def test_a_busy_one_is_not_given_up() -> None:
    """A weight of 0 would be `drain`, and where all are busy nobody would be served."""
    engine = FakeEngine(slots=1)
    engine.hold.clear()
    async with serving(engine) as server, peer(server) as first, peer(server) as other:
        await first.send(say())
        await other.send(say())
        await eventually(lambda: engine.speaking + engine.waiting == 2)
        assert agent(engine).line() == "up ready 17%"


def test_the_weight_falls_with_free_slots_and_with_those_that_wait() -> None:
    weights = [percent(free, 8) for free in range(8, -1_000, -1)]
    assert weights == sorted(weights, reverse=True)
    assert weights[0] == 100
    assert percent(0, 8) == 50
    assert weights[-1] == 1


def test_several_gpus_count_together() -> None:
    busy, free, coming = (FakeEngine("csm", slots=4) for _ in range(3))
    coming.become(Phase.STARTING)
    assert agent(busy, free, coming, FakeEngine("system", slots=1)).line() == "up ready 100%"


async def test_slots_of_a_gpu_that_is_busy_count_as_well() -> None:
    busy, free = FakeEngine("csm", slots=3), FakeEngine("csm", slots=1)
    busy.hold.clear()
    async with serving(busy) as server, peer(server) as client:
        await client.send(say())
        await eventually(lambda: busy.speaking == 1)
        assert agent(busy, free).line() == "up ready 88%"


@pytest.mark.parametrize("phase", [Phase.RESTING, Phase.ABSENT])
def test_who_cannot_speak_is_down(phase: Phase) -> None:
    first, other = FakeEngine("csm"), FakeEngine("system")
    one = agent(first, other)
    first.become(phase)
    assert one.line() == "drain # another engine speaks for csm"
    other.become(phase)
    assert one.line() == "down # no engine can speak"
    first.become(Phase.ASLEEP)
    assert one.line() == "up ready 100%"


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.STALLED])
def test_who_can_speak_soon_is_sent_nobody_and_cut_off_from_nobody(phase: Phase) -> None:
    first, other = FakeEngine("csm"), FakeEngine("system")
    one = agent(first, other)
    first.become(phase)
    assert one.line() == "drain # csm is not ready"
    other.become(Phase.ABSENT)
    assert one.line() == "drain # csm is not ready"
    first.become(Phase.RESTING)
    other.become(phase)
    assert one.line() == "drain # no engine can speak now"
    other.become(Phase.READY)
    first.become(Phase.READY)
    assert one.line() == "up ready 100%"


async def test_nobody_is_cut_off_from_what_was_made_already() -> None:
    engine = FakeEngine()
    engine.hold.clear()
    config = Config(balancer=BalancerConfig(agent="127.0.0.1:0"))
    admission = Admission(config.limits)
    one = Agent(config, [engine], admission)
    answers = AnswerContext.of(config, Fallback([engine]))
    async with (
        Server(replace(config, uri="tcp://127.0.0.1:0"), answers, admission) as server,
        peer(server) as client,
    ):
        await client.send(say())
        await eventually(lambda: engine.speaking == 1)
        engine.become(Phase.ABSENT)
        assert one.line() == "drain # no engine can speak now"


async def test_at_the_end_it_says_drain() -> None:
    async with agent(FakeEngine()) as one:
        one.is_draining = True
        assert await told(one.port) == "drain\n"


async def test_strangers_are_told_nothing() -> None:
    async with agent(FakeEngine(), limits=Limits(networks=("10.0.0.0/8",))) as one:
        assert await told(one.port, source="127.0.0.3") == ""
        assert await told(one.port) == "up ready 100%\n"  # this machine itself


async def test_who_does_not_read_and_sends_at_will_holds_up_nobody() -> None:
    async with agent(FakeEngine()) as one:
        with ExitStack() as silent:
            for _ in range(300):
                sock = silent.enter_context(socket.create_connection(("127.0.0.1", one.port)))
                sock.send(b"x" * 1_000)
                await asyncio.sleep(0)
            assert await told(one.port) == "up ready 100%\n"


async def test_without_a_setting_it_listens_nowhere() -> None:
    config = Config()
    async with Agent(config, [FakeEngine()], Admission(config.limits)) as one:
        with pytest.raises(AssertionError):
            _ = one.port


async def test_an_address_that_is_taken_is_said() -> None:
    async with agent(FakeEngine()) as one:
        with pytest.raises(ConfigError, match=r"balancer\.agent: .* cannot be had"):
            async with agent(FakeEngine(), address=f"127.0.0.1:{one.port}"):
                pass


@pytest.mark.slow
async def test_a_server_that_ends_tells_the_balancer_and_goes_on_first(tmp_path: Path) -> None:
    port, agent_port = free_port(), free_port()
    settings = {
        "uri": f"tcp://127.0.0.1:{port}",
        "engines": ["coqui"],  # it need not speak
        "data_dir": str(tmp_path),
        "balancer": {"agent": agent_port, "drain_seconds": 300},
    }
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wyoming_csm", "--config", str(tmp_path / "settings.json")),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        await until_open(port, agent_port)
        assert await told(agent_port) != "drain\n"
        health = (sys.executable, str(ROOT / "docker/healthcheck.py"), str(process.pid))
        check = await asyncio.create_subprocess_exec(*health)
        assert await check.wait() == 0  # the agent's port, which it finds as well, does not mislead
        process.send_signal(signal.SIGTERM)
        async for line in process.stderr:
            assert b"Announced" not in line
            if b"the balancer is told so first, for 300 s" in line:
                break
        assert await told(agent_port) == "drain\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(encode(Describe().event()))
        assert b'"info"' in await reader.readline()
        writer.close()
    finally:
        process.kill()
        await process.wait()
