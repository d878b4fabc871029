"""A sentence whose process ended or hung before it was received: a new one speaks it, once."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.engines.helpers import ANNA, VOICES, Make, speak, started, until
from tests.fakes import FakeEngine, frame
from tests.server.clients import warnings
from wyoming_csm.engines import choice
from wyoming_csm.engines.base import Phase, Sentence
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.engines.process import ChildProcess
from wyoming_csm.errors import EngineError, WorkerDied
from wyoming_csm.voices import Voice
from wyoming_csm.worker.protocol import ToChild

pytestmark = pytest.mark.slow

WHOLE = [frame(number) for number in range(5)]


class Mortal(FakeEngine):
    """Its process ends in each of its next `lives` sentences, before it is received."""

    def __init__(self, name: str, lives: int, voice: Voice = ANNA) -> None:
        super().__init__(name, voices=(voice,))
        self.lives = lives

    async def make(self, sentence: Sentence) -> AsyncGenerator[bytes]:
        if self.lives:
            self.lives -= 1
            self.asked[-1] = "in vain"
            self.become(Phase.STARTING, "starting again")
            raise WorkerDied("its process ended")
        async for pcm in super().make(sentence):
            yield pcm


# -- over real children


@pytest.mark.parametrize("noticed", [False, True])
async def test_of_one_that_was_killed_at_rest(make: Make, noticed: bool) -> None:
    """Asked at once, when the pipe to it still looks whole, or as soon as its end is seen."""
    engine = await started(make())
    fallback = Fallback([engine])
    for _ in range(3):
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGKILL)
        if noticed:
            await until(engine, lambda: engine.status.phase is Phase.STARTING)
        reply = fallback.start_reply(VOICES[0])
        assert await speak(reply) == WHOLE
        await reply.aclose()


async def test_of_one_that_cannot_be_told_any_more(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pipe to it is closed already, but not yet that from it: it counts as ready."""
    engine = await started(make())
    pid, send = engine.pid, ChildProcess.send

    def closed_to_the_first(child: ChildProcess, message: ToChild) -> None:
        if child.pid == pid:
            child.kill()
            raise WorkerDied("its process ended")
        send(child, message)

    monkeypatch.setattr(ChildProcess, "send", closed_to_the_first)
    assert await speak(Fallback([engine]).start_reply(VOICES[0])) == WHOLE
    assert engine.pid != pid


async def test_of_one_that_dies_or_stops_in_it(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for fault in ("die", "stop"):
        once = str(tmp_path / fault)
        engine = await started(make(fault=fault, once=once, silent_seconds=1.5))
        assert await speak(Fallback([engine]).start_reply(VOICES[0])) == WHOLE
        assert any(
            "fake/anna repeats a sentence that failed: its process " in said
            for said in warnings(caplog)
        )
        caplog.clear()


async def test_of_one_that_dies_in_each(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """Two processes are enough for one sentence."""
    engine = await started(make(fault="die"))
    with pytest.raises(EngineError, match="its process ended"):
        await speak(Fallback([engine]).start_reply(VOICES[0]))
    await until(engine, lambda: engine.status.phase is Phase.READY)
    assert len([said for said in warnings(caplog) if "it starts again in" in said]) == 2


async def test_of_several_gpus_while_one_sleeps_or_all_die(make: Make, tmp_path: Path) -> None:
    for other in ({"idle_seconds": 0.3}, {"fault": "die", "once": str(tmp_path / "second")}):
        dying = make(fault="die", once=str(tmp_path / f"first {len(other)}"))
        each = [dying, make(**other)]
        pool = Fallback(each)
        await pool.start()
        await asyncio.gather(*(one.wait_loaded() for one in each))
        if "idle_seconds" in other:
            await until(each[1], lambda: each[1].status.phase is Phase.ASLEEP)  # noqa: B023
        assert await speak(pool.start_reply(VOICES[0])) == WHOLE


# -- among others


async def test_who_is_ready_speaks_it_before(system: FakeEngine) -> None:
    csm = Mortal("csm", 1)
    reply = Fallback([csm, system]).start_reply(ANNA)
    assert await speak(reply) == WHOLE
    assert reply.spoken_by == "system/pico"
    assert csm.asked == ["in vain"]


async def test_it_is_back_while_another_still_loads(coqui: FakeEngine) -> None:
    csm = Mortal("csm", 1)
    coqui.become(Phase.STARTING, "downloading")
    received = asyncio.create_task(speak(Fallback([csm, coqui]).start_reply(ANNA)))
    await asyncio.sleep(0.01)
    csm.become(Phase.READY)
    assert await received == WHOLE


async def test_none_tries_it_a_third_time(system: FakeEngine) -> None:
    csm = Mortal("csm", 9)
    received = asyncio.create_task(speak(Fallback([csm]).start_reply(ANNA)))
    await asyncio.sleep(0.01)
    csm.become(Phase.READY)
    with pytest.raises(EngineError, match="csm: its process ended"):
        await received
    assert csm.asked == ["in vain"] * 2


@pytest.mark.parametrize("phase", [Phase.RESTING, Phase.ABSENT])
async def test_who_is_not_about_to_start_is_not_waited_for(phase: Phase) -> None:
    csm = Mortal("csm", 1)
    received = asyncio.create_task(speak(Fallback([csm]).start_reply(ANNA)))
    await asyncio.sleep(0.01)
    csm.become(phase)
    async with asyncio.timeout(15):
        with pytest.raises(EngineError, match="csm: its process ended"):
            await received


async def test_nobody_is_waited_for_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "AGAIN_SECONDS", 0.1)
    began = time.perf_counter()
    with pytest.raises(EngineError, match="csm: its process ended"):
        await speak(Fallback([Mortal("csm", 1)]).start_reply(ANNA))
    assert 0.1 <= time.perf_counter() - began < 15  # usually 30


async def test_nobody_waits_too_long_for_one_that_loads(
    csm: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "LOADING_SECONDS", 0.1)
    csm.become(Phase.STARTING, "reading weights, 3 of 7")
    with pytest.raises(EngineError, match=r"after 0\.1 s: csm: reading weights, 3 of 7$"):
        await speak(Fallback([csm]).start_reply(ANNA))


async def test_a_sentence_that_is_refused_is_not_tried_again(csm: FakeEngine) -> None:
    csm.fail_after = 0
    with pytest.raises(EngineError, match="told to fail"):
        await speak(Fallback([csm]).start_reply(ANNA))
    assert len(csm.asked) == 1
