"""A sentence through an engine: its figures, and every way in which it fails."""

import asyncio

import pytest

from tests.fakes import FakeEngine
from wyoming_csm.config import Config
from wyoming_csm.doctor import speaking
from wyoming_csm.doctor.finding import Finding
from wyoming_csm.doctor.speaking import time_sentence
from wyoming_csm.engines.base import Phase, Status
from wyoming_csm.engines.fallback import Fallback


async def timed(engine: FakeEngine) -> Finding:
    return await time_sentence("fake", Fallback([engine]), Config())


async def test_first_sound_and_speed_are_told() -> None:
    found = await timed(FakeEngine(frames=100))
    assert found.level == "ok"
    assert found.name == "say fake"
    assert "first sound" in found.found
    assert "RTF 0.0" in found.found


async def test_slower_than_real_time_is_a_warning() -> None:
    found = await timed(FakeEngine(frames=2, frame_seconds=0.4))
    assert found.level == "warn"
    assert "int8" in found.cure


async def test_an_engine_that_dies_at_its_sentence() -> None:
    found = await timed(FakeEngine(fail_after=1))
    assert found.level == "fail"
    assert "it failed" in found.found
    assert "--debug" in found.cure


@pytest.mark.parametrize(
    ("status", "level", "found", "cure"),
    [
        (Status(Phase.RESTING, "failed 5 times one after another"), "fail", "5 times", "--debug"),
        (Status(Phase.ABSENT, "not installed: x: pip install x"), "fail", "not installed", "x"),
        (Status(Phase.ABSENT, "no GPU is here: another speaks", True), "skip", "no GPU", "another"),
    ],
)
async def test_an_engine_that_does_not_load(
    status: Status, level: str, found: str, cure: str
) -> None:
    told = await timed(FakeEngine(status=status))
    assert told.level == level
    assert found in told.found
    assert cure in told.cure


async def test_an_engine_that_is_loading_is_waited_for() -> None:
    engine = FakeEngine(status=Status(Phase.STARTING, "loading"))
    waiting = asyncio.ensure_future(timed(engine))
    await asyncio.sleep(0)
    assert not waiting.done()
    engine.become(Phase.READY)
    assert (await waiting).level == "ok"


async def test_silence_without_end_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speaking, "SPEAK_SECONDS", 0.05)
    engine = FakeEngine()
    engine.hold.clear()
    found = await timed(engine)
    assert found.level == "fail"
    assert "no end of the sound" in found.found
