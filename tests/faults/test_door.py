"""The door's own faults, and what a listener gets of each, over a real socket."""

import asyncio

import pytest

from tests.engines.helpers import Make, started
from tests.fakes import FakeEngine
from tests.faults.drill import FRAMES, UNHURT, WHOLE, Drill, answer_to, ask
from tests.server.clients import eventually, peer, say, serving, warnings
from wyoming_csm.config import Limits


async def test_what_goes_out_in_small_parts_arrives_whole(drill: Drill) -> None:
    async with serving(FakeEngine()) as server:
        drill.set("door short 99")
        answer = await ask(server)
        assert (answer.kinds, answer.sound) == (UNHURT, WHOLE)


async def test_a_network_that_takes_nothing_for_a_while_costs_no_sound(drill: Drill) -> None:
    engine = FakeEngine()
    async with serving(engine) as server:
        drill.set("door stall")
        asking = asyncio.create_task(ask(server))
        await eventually(lambda: engine.finished == ["Hello."])
        assert not asking.done()
        drill.set()
        answer = await asking
        assert (answer.kinds, answer.sound) == (UNHURT, WHOLE)


@pytest.mark.parametrize(
    ("text", "frames"), [("It goes on. And on. And on.", 20), ("It goes on.", FRAMES)]
)
async def test_a_network_that_takes_nothing_any_more_is_given_up(
    drill: Drill, caplog: pytest.LogCaptureFixture, text: str, frames: int
) -> None:
    """As well where nothing waits for it to take the sound: all of it is little."""
    engine = FakeEngine(frames=frames)
    async with serving(engine, limits=Limits(stall_seconds=0.1)) as server:
        drill.set("door stall")
        answer = await ask(server, text)
        assert answer.events == [], "the connection's end alone can be told"
        assert engine.finished == ["It goes on."]
        assert any("took nothing for 0.1 s" in line for line in warnings(caplog))
        drill.set()
        assert (await ask(server)).kinds == UNHURT


async def test_without_descriptors_a_newcomer_waits_and_nobody_leaves(
    drill: Drill, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(FakeEngine()) as server, peer(server) as inside:
        await inside.send(say())
        await answer_to(inside)
        drill.set("door descriptors")
        asking = asyncio.create_task(ask(server))
        await eventually(lambda: any("Too many open files" in line for line in warnings(caplog)))
        await inside.send(say())
        assert (await answer_to(inside)).sound == WHOLE
        assert not asking.done()
        drill.set()
        answer = await asking
        assert (answer.kinds, answer.sound) == (UNHURT, WHOLE)


@pytest.mark.slow(4)
async def test_a_blocked_loop_is_late_and_blames_no_child(make: Make, drill: Drill) -> None:
    engine = await started(make(silent_seconds=4.0))
    pid = engine.pid
    async with serving(engine) as server:
        clock = asyncio.get_running_loop().time
        drill.set("door block 3")
        began = clock()
        answer = await ask(server)
        assert clock() - began >= 3
        assert (answer.kinds, answer.sound) == (UNHURT, WHOLE)
        drill.set()
        assert (await ask(server)).sound == WHOLE
    assert engine.pid == pid
