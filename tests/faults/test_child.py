"""A child that goes wrong: what a listener gets of it, over a real socket and a real process."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.fixtures.fake_child import COMMAND
from tests.engines.helpers import Make, started, until
from tests.fakes import FakeEngine, fake_voice, frame
from tests.faults.drill import FRAMES, UNHURT, WHOLE, Drill, ask
from tests.server.clients import serving
from wyoming_csm.config import SoundConfig
from wyoming_csm.engines import child_engine
from wyoming_csm.engines.base import Phase
from wyoming_csm.engines.child_engine import ChildEngine
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.server.listener import Server

pytestmark = pytest.mark.slow
LONG = "Hello, this is a sentence of some seconds, that is too slow to be begun."


@asynccontextmanager
async def served(engine: ChildEngine, **more: Any) -> AsyncIterator[tuple[Server, FakeEngine]]:
    """A server with such settings for a child and, behind it, a system voice."""
    system = FakeEngine("system", voices=(fake_voice("pico"),), frames=FRAMES + 1)
    async with serving(Fallback([engine, system]), **more) as server:
        yield server, system


async def ready_again(engine: ChildEngine) -> None:
    await until(engine, lambda: engine.status.phase is Phase.READY)


async def another_voice_speaks(engine: ChildEngine, drill: Drill, fault: str) -> None:
    """Speak through the fault, and then as if nothing had been."""
    async with served(engine) as (server, system):
        drill.set(f"fake {fault} 0")
        answer = await ask(server)
        assert (answer.kinds, answer.frames) == (UNHURT, FRAMES + 1)
        assert system.finished == ["Hello."]
        drill.set()
        await ready_again(engine)
        assert (await ask(server)).sound == WHOLE
        assert system.finished == ["Hello."]


@pytest.mark.parametrize("fault", ["die", "garbage"])
async def test_before_the_first_sound_another_voice_speaks(
    make: Make, drill: Drill, fault: str
) -> None:
    await another_voice_speaks(await started(make()), drill, fault)


@pytest.mark.parametrize("fault", ["die", "garbage"])
async def test_after_some_sound_there_is_an_error(make: Make, drill: Drill, fault: str) -> None:
    """Nothing is spliced, and nobody takes the part for the whole."""
    engine = await started(make())
    async with served(engine) as (server, _):
        drill.set(f"fake {fault} 3")
        answer = await ask(server)
        assert answer.sound == WHOLE[: len(frame(0)) * 3]
        assert answer.kinds == ["audio-start", "audio-chunk", "error"]
        assert answer.error.startswith("fake: its process ")
        drill.set()
        await ready_again(engine)
        assert (await ask(server)).sound == WHOLE


@pytest.mark.parametrize("fault", ["die", "garbage"])
async def test_while_its_sound_is_held_back_another_voice_speaks(
    make: Make, drill: Drill, fault: str
) -> None:
    """An engine slower than speech is, so that nobody has heard any of it yet."""
    engine = await started(make())
    sound = SoundConfig(loudness=None, sentence_pause=None)
    async with served(engine, sound=sound) as (server, system):
        drill.set("fake slow 150", f"fake {fault} 3")
        answer = await ask(server, LONG)
        assert (answer.kinds, answer.frames) == (UNHURT, FRAMES + 1)
        assert system.finished == [LONG]
        drill.set()
        await ready_again(engine)
        assert (await ask(server)).sound == WHOLE


@pytest.mark.parametrize(
    ("fault", "patience"), [("hang", {"limit_seconds": 1.2}), ("stop", {"silent_seconds": 1.5})]
)
async def test_one_that_hangs_is_not_waited_for(
    make: Make, drill: Drill, fault: str, patience: dict[str, float]
) -> None:
    await another_voice_speaks(await started(make(**patience)), drill, fault)


async def test_ten_that_die_before_they_are_ready_harm_nobody(
    make: Make, drill: Drill, tmp_path: Path
) -> None:
    """The first of them are quicker at it than any child: the machine has other tests to run."""
    (quick := tmp_path / "quick").touch()
    command = ("sh", "-c", '[ -e "$0" ] && exit 4; exec "$@"', str(quick), *COMMAND)
    drill.set("fake unready")
    engine = make(rest_seconds=(0.01,), restart_seconds=0.01, command=command)
    async with served(engine) as (server, system):
        await engine.start()
        await until(engine, lambda: "failed 9 times" in engine.status.detail)
        assert "exit code 4" in engine.status.detail
        quick.unlink()
        await until(engine, lambda: "exit code 3" in engine.status.detail)
        assert re.search(r"failed \d\d times one after another", engine.status.detail)
        answer = await ask(server)
        assert (answer.kinds, answer.frames) == (UNHURT, FRAMES + 1)
        drill.set()
        await ready_again(engine)
        assert (await ask(server)).sound == WHOLE
        assert len(system.finished) == 1


async def test_a_sentence_without_end_is_ended(
    make: Make, drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_engine, "MOST_SECONDS", 1.2)
    monkeypatch.setattr(child_engine, "MOST_EACH", 0.1)
    engine = await started(make())
    pid = engine.pid
    async with served(engine) as (server, _):
        drill.set("fake endless")
        answer = await ask(server)
        assert answer.kinds == ["audio-start", "audio-chunk", "error"]
        assert answer.error == "fake: a sentence did not end"
        assert answer.frames == 5 + 25, "a chunk of 2 s is the first beyond 1.8 s"
        drill.set()
        assert (await ask(server)).sound == WHOLE
    assert engine.pid == pid


async def test_sound_that_is_too_slow_comes_whole(make: Make, drill: Drill) -> None:
    engine = await started(make())
    async with served(engine) as (server, _):
        drill.set("fake slow 150")
        answer = await ask(server)
        assert (answer.kinds, answer.sound) == (UNHURT, WHOLE)
