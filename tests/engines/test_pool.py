"""Several children of one kind as one engine: who gets a reply, who takes over, who sleeps."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.engines.helpers import VOICES, Make, hear, until, warnings
from tests.fakes import frame
from tests.server.clients import eventually
from wyoming_csm.config import Config, CsmConfig
from wyoming_csm.engines.base import Phase, Status
from wyoming_csm.engines.child_engine import ChildEngine
from wyoming_csm.engines.csm import csm_engine
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.engines.pool import Pool
from wyoming_csm.errors import EngineError, WorkerDied
from wyoming_csm.voice_book import VoiceBook

WHOLE = [frame(number) for number in range(5)]


async def pool_of(make: Make, *members: dict[str, Any]) -> tuple[Pool, list[ChildEngine]]:
    """Started and ready."""
    each = [make(title=f"fake {number}", **one) for number, one in enumerate(members, 1)]
    pool = Pool("fake", each)
    await pool.start()
    async with asyncio.timeout(20):
        await asyncio.gather(*(one.wait_settled() for one in each))
    return pool, each


async def end(member: ChildEngine) -> None:
    assert member.pid is not None
    os.kill(member.pid, signal.SIGKILL)
    await until(member, lambda: member.status.phase is not Phase.READY)


async def test_they_are_one_engine(make: Make) -> None:
    pool, (first, second) = await pool_of(make, {"slots": 2}, {"slots": 3, "restart_seconds": 30})
    told: list[Phase] = []
    pool.subscribe(lambda: told.append(pool.status.phase))
    assert (pool.name, pool.slots) == ("fake", 5)
    assert pool.status == Status(Phase.READY, "fake child")
    assert pool.voices == VOICES
    assert pool.voice_for(VOICES[1]) == VOICES[1]
    pool.changed()
    await end(second)
    assert (pool.status.phase, pool.slots) == (Phase.READY, 2)
    assert set(told) == {Phase.READY}
    await first.stop()
    assert pool.status.phase is Phase.STARTING
    assert pool.status.detail.startswith("fake 1: stopped; fake 2: ")
    await pool.stop()
    assert pool.status == Status(Phase.ABSENT, "fake 1: stopped; fake 2: stopped")


async def test_a_reply_goes_to_the_least_busy_and_stays_there(make: Make) -> None:
    pool, each = await pool_of(make, {"slots": 4}, {"slots": 2})
    replies = [pool.start_reply(VOICES[0]) for _ in range(6)]
    for reply in replies:
        assert await hear(reply) == WHOLE
    speakers = [reply.spoken_by for reply in replies]
    assert sorted(speakers) == ["fake 1/anna"] * 4 + ["fake 2/anna"] * 2, "as their slots"
    assert speakers[:2] == ["fake 1/anna", "fake 2/anna"]
    for reply in replies[1:]:
        await reply.aclose()
    assert [one.replies for one in each] == [1, 0]
    await hear(replies[0])
    assert replies[0].spoken_by == "fake 1/anna"
    await replies[0].aclose()


async def test_a_lost_ones_sentence_is_spoken_by_another(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    pool, (first, second) = await pool_of(
        make, {"fault": "die", "only_in": "die", "restart_seconds": 30}, {}
    )
    reply = pool.start_reply(VOICES[0])
    assert await hear(reply, "live") == WHOLE
    assert reply.spoken_by == "fake 1/anna"
    assert await hear(reply, "die") == WHOLE
    assert reply.spoken_by == "fake 2/anna"
    assert [one.replies for one in (first, second)] == [0, 1]
    assert "fake 2/anna takes over a reply: fake 1: its process ended" in warnings(caplog)


async def test_what_one_refuses_another_may_speak(make: Make) -> None:
    pool, (first, _) = await pool_of(make, {"fault": "fail"}, {})
    reply = pool.start_reply(VOICES[0])
    assert await hear(reply) == WHOLE
    assert reply.spoken_by == "fake 2/anna"
    assert first.status.phase is Phase.READY


async def test_what_all_refuse_is_an_error(make: Make) -> None:
    pool, _ = await pool_of(make, {"fault": "fail"}, {"fault": "fail"})
    with pytest.raises(EngineError, match=r"fake 1: .*told to fail; fake 2: .*told to fail"):
        await hear(pool.start_reply(VOICES[0]))


async def test_one_that_died_between_sentences(make: Make) -> None:
    pool, (first, _) = await pool_of(make, {"restart_seconds": 30}, {})
    reply = pool.start_reply(VOICES[0])
    await hear(reply)
    await end(first)
    assert await hear(reply) == WHOLE
    assert reply.spoken_by == "fake 2/anna"


async def test_inside_a_sentence_the_error_goes_up(make: Make) -> None:
    pool, _ = await pool_of(make, {"fault": "die", "fault_at": 2}, {})
    heard: list[bytes] = []
    with pytest.raises(WorkerDied):
        await hear(pool.start_reply(VOICES[0]), into=heard)
    assert heard == WHOLE[:2]


async def test_all_are_lost(make: Make) -> None:
    dying = {"fault": "die", "restart_seconds": 30}
    pool, _ = await pool_of(make, dying, dying)
    with pytest.raises(EngineError, match=r"fake 1: its process ended.*; fake 2: fake 2: "):
        await hear(pool.start_reply(VOICES[0]))
    assert pool.status.phase is Phase.STARTING


async def test_one_that_cannot_run_here_is_left_out(make: Make) -> None:
    pool, _ = await pool_of(make, {"fault": "unavailable"}, {})
    assert (pool.status, pool.slots) == (Status(Phase.READY, "fake child"), 4)
    reply = pool.start_reply(VOICES[0])
    assert await hear(reply) == WHOLE
    assert reply.spoken_by == "fake 2/anna"


async def test_it_is_settled_with_the_first_that_is_ready(make: Make) -> None:
    pool = Pool("fake", [make(fault="loading"), make()])
    await pool.start()
    async with asyncio.timeout(20):
        await pool.wait_settled()
    assert pool.status.phase is Phase.READY


async def test_it_is_settled_too_with_one_that_is_tried_again(make: Make, tmp_path: Path) -> None:
    """The other loads on."""
    away = make(fault="unavailable", once=str(tmp_path / "once"), retry_seconds=0.1)
    pool = Pool("fake", [make(fault="loading"), away])
    await pool.start()
    async with asyncio.timeout(10):
        await pool.wait_settled()
    assert pool.status.phase is Phase.READY


async def test_each_sleeps_by_itself_and_wakes_when_it_is_needed(make: Make) -> None:
    sleepy = {"slots": 2, "idle_seconds": 0.3}
    pool, each = await pool_of(make, sleepy, sleepy)
    asleep = Phase.ASLEEP
    await eventually(lambda: [one.status.phase for one in each] == [asleep, asleep])
    assert pool.status == Status(Phase.ASLEEP, "asleep until the next request")
    fallback = Fallback([pool])
    replies = [fallback.start_reply(VOICES[0]) for _ in range(3)]
    assert await hear(replies[0]) == WHOLE
    assert [one.status.phase for one in each] == [Phase.READY, Phase.ASLEEP]
    assert await hear(replies[1]) == WHOLE  # it takes the last slot
    await until(each[1], lambda: each[1].status.phase is Phase.READY)
    assert await hear(replies[2]) == WHOLE
    assert [one.replies for one in each] == [2, 1]
    for reply in replies:
        await reply.aclose()


async def test_another_wakes_for_one_that_could_not(make: Make) -> None:
    pool, each = await pool_of(make, {"idle_seconds": 0.3}, {"idle_seconds": 0.3})
    await eventually(lambda: [one.status.phase for one in each] == [Phase.ASLEEP] * 2)
    reply = Fallback([pool]).start_reply(VOICES[0])
    async with asyncio.TaskGroup() as group:
        heard = group.create_task(hear(reply))
        await asyncio.sleep(0)  # it waits for the first
        assert each[0].status.phase is Phase.WAKING
        await each[0].stop()
    assert heard.result() == WHOLE
    await reply.aclose()


async def test_one_is_lost_while_the_other_sleeps(make: Make) -> None:
    first, second = {"restart_seconds": 30}, {"idle_seconds": 0.3}
    pool, each = await pool_of(make, first, second)
    await eventually(lambda: each[1].status.phase is Phase.ASLEEP)
    await end(each[0])
    with pytest.raises(EngineError):
        await hear(pool.start_reply(VOICES[0]))
    await until(each[1], lambda: each[1].status.phase is Phase.READY)


def test_a_list_of_devices_is_a_child_on_each(tmp_path: Path) -> None:
    csm = CsmConfig(device=("cuda:0", "cpu"), idle_unload="10m")
    pool = csm_engine(Config(csm=csm), VoiceBook(tmp_path))
    assert isinstance(pool, Pool)
    assert pool.name == "csm"
    supervisors = [member._supervisor for member in pool._members]
    assert [one._configure.settings["device"] for one in supervisors] == ["cuda:0", "cpu"]
    assert [one._configure.engine for one in supervisors] == ["csm", "csm"]
    assert [one._patience.idle for one in supervisors] == [600.0, 600.0]
    assert [member.name for member in pool._members] == ["csm on cuda:0", "csm on cpu"]
