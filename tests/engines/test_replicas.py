"""Several children of one engine: which gets a reply, which takes over, which sleeps."""

import asyncio
import logging
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.engines.helpers import VOICES, Make, speak, until
from tests.fakes import FakeEngine, frame
from tests.server.clients import eventually, warnings
from wyoming_csm.engines.base import Phase, Status
from wyoming_csm.engines.child_engine import ChildEngine
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.errors import EngineError, WorkerDied

WHOLE = [frame(number) for number in range(5)]


async def replicas(make: Make, *members: dict[str, Any]) -> tuple[Fallback, list[ChildEngine]]:
    """Started and loaded."""
    each = [make(title=f"fake {number}", **one) for number, one in enumerate(members, 1)]
    house = Fallback(each)
    await house.start()
    async with asyncio.timeout(60):
        await asyncio.gather(*(one.wait_loaded() for one in each))
    return house, each


async def end(member: ChildEngine) -> None:
    assert member.pid is not None
    os.kill(member.pid, signal.SIGKILL)
    await until(member, lambda: member.status.phase is not Phase.READY)


async def test_they_are_one_engine(make: Make) -> None:
    house, (first, second) = await replicas(make, {}, {"restart_seconds": 30})
    assert house.status == Status(Phase.READY, "fake 1: fake child")
    assert house.voices == VOICES
    assert house.voice_for(VOICES[1]) == VOICES[1]
    await end(second)
    assert house.status.phase is Phase.READY
    assert house.voices == VOICES, "no stand-in is named while one of them speaks"
    await first.stop()
    assert "starting" in repr(house.status)
    assert house.status.detail.startswith("fake 1: stopped; fake 2: ")


async def test_a_reply_goes_to_the_least_busy_and_stays_there(make: Make) -> None:
    house, each = await replicas(make, {"slots": 4}, {"slots": 2})
    replies = [house.start_reply(VOICES[0]) for _ in range(6)]
    for reply in replies:
        assert await speak(reply) == WHOLE
    speakers = [reply.spoken_by for reply in replies]
    assert sorted(speakers) == ["fake 1/anna"] * 4 + ["fake 2/anna"] * 2, "as their slots"
    assert speakers[:2] == ["fake 1/anna", "fake 2/anna"]
    for reply in replies[1:]:
        await reply.aclose()
    assert [one.load.share for one in each] == [0.25, 0]
    await speak(replies[0])
    assert replies[0].spoken_by == "fake 1/anna"


async def test_a_sentence_not_begun_moves_to_the_one_that_has_a_free_slot(make: Make) -> None:
    """From a slow child: its slot is taken for 20 s."""
    slow = {"slots": 1, "frames": 200, "step_seconds": 0.1}
    house, each = await replicas(make, slow, {"slots": 1, "frames": 5})
    async with asyncio.TaskGroup() as group:
        long = group.create_task(speak(house.start_reply(VOICES[0])))
        await eventually(lambda: each[0].load.free == 0)
        replies = [house.start_reply(VOICES[0]) for _ in range(5)]
        sounds = await asyncio.gather(*(speak(reply) for reply in replies))
        assert sounds == [WHOLE] * 5, "none is lost or doubled"
        assert {reply.spoken_by for reply in replies} == {"fake 2/anna"}
        assert not long.done()
        long.cancel()


async def test_waiting_sentences_move_to_one_that_has_loaded(make: Make) -> None:
    ready = make(title="fake 1", slots=1, frames=100, step_seconds=0.1)
    loading = make(title="fake 2", slots=4)
    house = Fallback([ready, loading])
    await ready.start()
    async with asyncio.TaskGroup() as group:
        await house.wait_loaded()
        long = group.create_task(speak(house.start_reply(VOICES[0])))
        await eventually(lambda: ready.load.free == 0)
        replies = [house.start_reply(VOICES[0]) for _ in range(4)]
        waiting = [group.create_task(speak(reply)) for reply in replies]
        await eventually(lambda: ready.load.free == -4)
        await loading.start()
        assert await asyncio.gather(*waiting) == [WHOLE] * 4
        assert {reply.spoken_by for reply in replies} == {"fake 2/anna"}
        long.cancel()


async def test_a_slot_that_is_free_but_not_given_is_not_waited_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As of a child that became so slow that it admits no sentence."""

    class Full(FakeEngine):
        def admit(self) -> None:
            """Give no slot."""

    caplog.set_level(logging.INFO)
    slow, other = Full(slots=4), FakeEngine(slots=4)
    reply = Fallback([slow, other]).start_reply(slow.voices[0])
    begin = asyncio.get_running_loop().time()
    assert await speak(reply) == WHOLE
    assert asyncio.get_running_loop().time() - begin < 2
    assert (slow.asked, other.asked) == ([], ["Hello."])
    assert not [one for one in caplog.records if one.name == "wyoming_csm.engines.reply"]


async def test_a_lost_ones_sentence_is_spoken_by_another(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    house, (first, second) = await replicas(
        make, {"fault": "die", "only_in": "die", "restart_seconds": 30}, {}
    )
    reply = house.start_reply(VOICES[0], "10.0.0.1")
    assert await speak(reply, "live") == WHOLE
    assert reply.spoken_by == "fake 1/anna"
    assert await speak(reply, "die") == WHOLE
    assert reply.spoken_by == "fake 2/anna"
    assert [one.load.share for one in (first, second)] == [0, 0.25]
    line = "fake 2/anna goes on for 10.0.0.1 instead of fake 1 (its process ended)"
    assert line in warnings(caplog)


async def test_what_one_refuses_another_may_speak(make: Make) -> None:
    house, (first, _) = await replicas(make, {"fault": "fail"}, {})
    reply = house.start_reply(VOICES[0])
    assert await speak(reply) == WHOLE
    assert reply.spoken_by == "fake 2/anna"
    assert first.status.phase is Phase.READY


async def test_what_all_refuse_is_an_error(make: Make) -> None:
    house, _ = await replicas(make, {"fault": "fail"}, {"fault": "fail"})
    with pytest.raises(EngineError, match=r"fake 1: .*told to fail; fake 2: .*told to fail"):
        await speak(house.start_reply(VOICES[0]))


async def test_one_that_died_between_sentences(make: Make) -> None:
    house, (first, _) = await replicas(make, {"restart_seconds": 30}, {})
    reply = house.start_reply(VOICES[0])
    await speak(reply)
    await end(first)
    assert await speak(reply) == WHOLE
    assert reply.spoken_by == "fake 2/anna"


async def test_inside_a_sentence_the_error_goes_up(make: Make) -> None:
    house, _ = await replicas(make, {"fault": "die", "fault_at": 2}, {})
    received: list[bytes] = []
    with pytest.raises(WorkerDied):
        await speak(house.start_reply(VOICES[0]), into=received)
    assert received == WHOLE[:2]


async def test_all_are_lost(make: Make) -> None:
    dying = {"fault": "die"}
    house, _ = await replicas(make, dying, dying)
    with pytest.raises(EngineError, match=r"fake 1: .*its process ended.*; fake 2: .*ended"):
        await speak(house.start_reply(VOICES[0]))


async def test_one_that_cannot_run_here_is_left_out(make: Make) -> None:
    house, _ = await replicas(make, {"fault": "unavailable"}, {})
    assert house.status == Status(Phase.READY, "fake 2: fake child")
    reply = house.start_reply(VOICES[0])
    assert await speak(reply) == WHOLE
    assert reply.spoken_by == "fake 2/anna"


async def test_the_first_that_is_ready_is_waited_for(make: Make, tmp_path: Path) -> None:
    """The other loads on; also if it is ready at its second try."""
    away = make(fault="unavailable", once=str(tmp_path / "once"), retry_seconds=0.1)
    for other in (make(), away):
        house = Fallback([make(fault="loading"), other])
        await house.start()
        async with asyncio.timeout(60):
            await house.wait_loaded()
        assert house.status.phase is Phase.READY


async def test_each_sleeps_by_itself_and_wakes_when_it_is_needed(make: Make) -> None:
    sleepy = {"slots": 2, "idle_seconds": 0.3}
    house, each = await replicas(make, sleepy, sleepy)
    await eventually(lambda: [one.status.phase for one in each] == [Phase.ASLEEP] * 2)
    assert house.status == Status(Phase.ASLEEP, "fake 1: unloaded until the next request")
    replies = [house.start_reply(VOICES[0]) for _ in range(3)]
    assert await speak(replies[0]) == WHOLE
    assert [one.status.phase for one in each] == [Phase.READY, Phase.ASLEEP]
    assert await speak(replies[1]) == WHOLE  # it takes the last slot
    await until(each[1], lambda: each[1].status.phase is Phase.READY)
    assert await speak(replies[2]) == WHOLE
    assert [one.load.share for one in each] == [1, 0.5]
    for reply in replies:
        await reply.aclose()


async def test_another_wakes_for_one_that_could_not(make: Make) -> None:
    house, each = await replicas(make, {"idle_seconds": 0.3}, {"idle_seconds": 0.3})
    await eventually(lambda: [one.status.phase for one in each] == [Phase.ASLEEP] * 2)
    reply = house.start_reply(VOICES[0])
    async with asyncio.TaskGroup() as group:
        received = group.create_task(speak(reply))
        await asyncio.sleep(0)  # it waits for the first
        assert each[0].status.phase is Phase.WAKING
        await each[0].stop()
    assert received.result() == WHOLE
    await reply.aclose()


async def test_one_is_lost_while_the_other_sleeps(make: Make) -> None:
    first, second = {"restart_seconds": 30}, {"idle_seconds": 0.3}
    house, each = await replicas(make, first, second)
    await eventually(lambda: each[1].status.phase is Phase.ASLEEP)
    await end(each[0])
    assert await speak(house.start_reply(VOICES[0])) == WHOLE
    assert each[1].status.phase is Phase.READY
