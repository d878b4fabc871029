"""Replicas that are half dead, or come back, behind the real HAProxy with the users' settings."""

import asyncio
from pathlib import Path

import pytest
from wyoming.tts import SynthesizeChunk, SynthesizeStart, SynthesizeStop

from benchmarks.balanced import Replica
from tests.engines.helpers import Make, started, until
from tests.fakes import FakeEngine, frame
from tests.faults.balancing import MARKS, WITHIN, asked_until, balancing, is_whole, serving
from tests.faults.drill import PATIENCE, UNHURT, WHOLE, Answer, Drill, answer_to, ask
from tests.server.clients import audio, peer
from wyoming_csm.engines import watchdog
from wyoming_csm.engines.base import Phase, Status
from wyoming_csm.faults import VARIABLE

pytestmark = MARKS


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
            async with asyncio.timeout(WITHIN):
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


@pytest.mark.parametrize("fault", ["die", "stop"])
async def test_one_whose_only_process_is_lost_goes_on_when_it_is_back(
    replicas: list[Replica],
    make: Make,
    drill: Drill,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
) -> None:
    """HAProxy lets the reply go on, and a newcomer wait: there is no other replica."""
    monkeypatch.setattr(watchdog, "STALL_SECONDS", 1.5)
    engine = await started(make(silent_seconds=2.5, restart_seconds=0.5))
    async with serving(replicas[0], engine) as server, balancing(replicas, tmp_path) as balancer:
        await balancer.until("Server wyoming-last/b is DOWN")
        async with peer(server, port=balancer.port) as client:
            await client.send(SynthesizeStart().event(), SynthesizeChunk("One is. Two ").event())
            first = await client.until("audio-chunk")
            drill.set(f"fake {fault} 0")
            await client.send(SynthesizeChunk("is.").event(), SynthesizeStop().event())
            await until(engine, lambda: engine.status.phase is not Phase.READY)
            drill.set()  # the next process is well
            await balancer.until("Server wyoming/a enters drain state")
            newcomer = asyncio.create_task(ask(server, port=balancer.port))
            rest = await answer_to(client)
        assert rest.kinds == UNHURT[1:]
        assert audio(first) + rest.sound == 2 * WHOLE
        assert is_whole(await newcomer)
        await balancer.until("Server wyoming/a is UP (leaving forced drain)")
        assert is_whole(await ask(server, port=balancer.port))


async def test_one_whose_only_process_is_lost_for_good_tells_the_reason(
    replicas: list[Replica], make: Make, drill: Drill, tmp_path: Path
) -> None:
    """Of a sentence that sounded already, or where the next process is lost as well."""
    engine = await started(make())
    async with serving(replicas[0], engine) as server, balancing(replicas, tmp_path) as balancer:
        await balancer.until("Server wyoming-last/b is DOWN")
        drill.set("fake die 3")
        answer = await ask(server, port=balancer.port)
        assert answer.kinds == ["audio-start", "audio-chunk", "error"]
        assert answer.sound == WHOLE[: 3 * len(frame(0))]
        drill.set("fake die 0")
        answer = await ask(server, port=balancer.port)
        assert (answer.sound, answer.kinds[-1]) == (b"", "error")
        assert "its process " in answer.error


async def test_where_none_can_speak_the_reason_is_told(
    replicas: list[Replica], tmp_path: Path
) -> None:
    engine = FakeEngine(status=Status(Phase.ABSENT, "it is broken"))
    async with serving(replicas[0], engine) as server, balancing(replicas, tmp_path) as balancer:
        await balancer.until("backend wyoming has no server available")
        answer = await ask(server, port=balancer.port)
        assert answer.kinds[-1] == "error"
        assert "it is broken" in answer.error


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.ABSENT])
async def test_one_whose_first_engine_is_away_is_asked_last(
    replicas: list[Replica], tmp_path: Path, phase: Phase
) -> None:
    """A replica without connections comes first in HAProxy's eyes, whatever its weight."""
    away, stand_in, other = FakeEngine("csm"), FakeEngine("system"), FakeEngine("csm")
    away.become(phase)
    async with (
        serving(replicas[0], away, stand_in) as server,
        serving(replicas[1], other, FakeEngine("system")),
        balancing(replicas, tmp_path) as balancer,
    ):
        await balancer.until("Server wyoming/a enters drain state")
        for _ in range(4):
            assert is_whole(await ask(server, port=balancer.port))
        assert stand_in.finished == []
        other.become(phase)
        await balancer.until("Server wyoming/b enters drain state")
        await asked_until(server, balancer.port, stand_in)
