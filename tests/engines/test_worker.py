"""A WorkerEngine over real child processes that speak, die, hang, babble and refuse to go."""

import asyncio
import logging
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import fake_voice, frame
from tests.worker.fake_child import COMMAND, ROOT
from wyoming_csm.audio import silence
from wyoming_csm.engines.base import Pause, Phase, Reply, Speak
from wyoming_csm.engines.worker import WorkerEngine
from wyoming_csm.errors import EngineError, EngineUnavailable, WorkerDied
from wyoming_csm.voices import Voice
from wyoming_csm.worker.protocol import Configure

VOICES = (fake_voice("anna", "en-GB"), fake_voice("bert", "en_US"), fake_voice("carl", "de"))

Make = Callable[..., WorkerEngine]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    """Engines over a fake child, stopped at the end; further words are the child's settings."""
    made: list[WorkerEngine] = []

    def make(
        *,
        probe: Callable[[], None] = lambda: None,
        hang_seconds: float = 30.0,
        start_seconds: float = 30.0,
        restart_seconds: float = 0.01,
        command: tuple[str, ...] = COMMAND,
        **settings: Any,
    ) -> WorkerEngine:
        engine = WorkerEngine(
            Configure("fake", settings, "", ""),
            voices=lambda: VOICES,
            probe=probe,
            hang_seconds=hang_seconds,
            start_seconds=start_seconds,
            restart_seconds=restart_seconds,
            command=command,
        )
        made.append(engine)
        return engine

    yield make
    await asyncio.gather(*(engine.stop() for engine in made))


async def started(engine: WorkerEngine) -> WorkerEngine:
    await engine.start()
    async with asyncio.timeout(20):
        await engine.wait_settled()
    return engine


async def hear(reply: Reply, text: str = "Hello.", into: list[bytes] | None = None) -> list[bytes]:
    heard = [] if into is None else into
    async with asyncio.timeout(20), aclosing(reply.speak(Speak(text))) as sound:
        async for pcm in sound:
            heard.append(pcm)
    return heard


async def until(engine: WorkerEngine, true: Callable[[], bool]) -> None:
    changed = asyncio.Event()
    engine.subscribe(changed.set)
    async with asyncio.timeout(20):
        while not true():
            changed.clear()
            await changed.wait()


def is_alive(pid: int) -> bool:
    """A child of this process that was not waited for counts as alive."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# -- speaking


async def test_a_sentence_comes_whole(make: Make) -> None:
    engine = await started(make(frames=4, slots=3))
    assert engine.status.phase is Phase.READY
    assert (engine.status.detail, engine.slots) == ("fake child", 3)
    reply = engine.start_reply(VOICES[0])
    assert reply.spoken_by == "fake/anna"
    assert await hear(reply) == [frame(number) for number in range(4)]
    assert [pcm async for pcm in reply.speak(Pause(0.5))] == [silence(0.5)]
    assert len(await hear(reply)) == 4
    await reply.aclose()
    await reply.aclose()


async def test_sentences_side_by_side_keep_their_own_sound(make: Make) -> None:
    engine = await started(make(frames=30, slots=3))
    replies = [engine.start_reply(VOICES[0]) for _ in range(6)]
    for heard in await asyncio.gather(*(hear(reply) for reply in replies)):
        assert heard == [frame(number) for number in range(30)]


async def test_a_closed_sentence_is_stopped(make: Make) -> None:
    """One slot, 100 s of frames: the next sentence is heard only if the slot becomes free."""
    engine = await started(make(frames=10_000, step_seconds=0.01, slots=1))
    for _ in range(3):
        async with aclosing(engine.start_reply(VOICES[0]).speak(Speak("Long."))) as sound:
            async with asyncio.timeout(10):
                assert await anext(sound) == frame(0)
    assert not engine._requests


async def test_a_cancelled_listener_stops_its_sentence(make: Make) -> None:
    engine = await started(make(frames=10_000, step_seconds=0.01, slots=1))
    listeners = [asyncio.create_task(hear(engine.start_reply(VOICES[0]))) for _ in range(2)]
    await asyncio.sleep(0.05)
    for listener in listeners:
        listener.cancel()
    await asyncio.wait(listeners)
    async with asyncio.timeout(10), aclosing(engine.start_reply(VOICES[0]).speak(Speak("."))) as s:
        assert await anext(s) == frame(0)


async def test_one_failed_sentence_is_not_the_engines_end(make: Make) -> None:
    engine = await started(make(fault="fail", only_in="bad"))
    pid = engine.pid
    with pytest.raises(EngineError, match="fake: told to fail") as caught:
        await hear(engine.start_reply(VOICES[0]), "bad")
    assert not isinstance(caught.value, WorkerDied)
    assert len(await hear(engine.start_reply(VOICES[0]), "good")) == 5
    assert engine.pid == pid


async def test_what_is_not_ready_refuses_at_once(make: Make) -> None:
    engine = make()
    with pytest.raises(EngineError, match="not ready"):
        await hear(engine.start_reply(VOICES[0]))
    await engine.start()
    with pytest.raises(EngineError, match="not ready"):
        await hear(engine.start_reply(VOICES[0]))


async def test_prints_never_reach_the_pipe(make: Make) -> None:
    engine = await started(make(fault="noise", frames=3))
    assert await hear(engine.start_reply(VOICES[0])) == [frame(number) for number in range(3)]


async def test_the_pipe_costs_little(make: Make) -> None:
    """From asking to the first sound, less the engine's own 25 ms."""
    engine = await started(make(frames=1, step_seconds=0.025))
    costs = []
    for _ in range(15):
        asked = time.perf_counter()
        await hear(engine.start_reply(VOICES[0]))
        costs.append(time.perf_counter() - asked - 2 * 0.025)  # the frame, and the end
    assert statistics.median(costs) < 0.005


# -- voices


async def test_voices_are_its_own_by_name_then_language(make: Make) -> None:
    engine = make()
    assert engine.voices == VOICES
    assert engine.voice_for(VOICES[1]) == VOICES[1]
    assert engine.voice_for(fake_voice("x", "en_us")) == VOICES[1]
    assert engine.voice_for(fake_voice("x", "EN-AU")) == VOICES[0]
    assert engine.voice_for(fake_voice("x", "de-CH")) == VOICES[2]
    assert engine.voice_for(fake_voice("x", "sv")) is None


async def test_voices_that_only_loading_tells(make: Make) -> None:
    many = Voice(
        name="anna", language="en", description="", engine="fake", speaker="a", speakers=("a", "b")
    )
    engine = await started(make(voices=(many, fake_voice("dora"))))
    assert [voice.name for voice in engine.voices] == ["anna", "bert", "carl", "dora"]
    asked = Voice(name="anna", language="en", description="other", engine="fake", speaker="b")
    found = engine.voice_for(asked)
    assert found is not None
    assert (found.speaker, found.description) == ("b", "")
    await engine.stop()
    assert len(engine.voices) == 4


# -- what cannot run here


async def test_a_probe_that_fails_leaves_it_out(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    here = False

    def probe() -> None:
        if not here:
            raise EngineUnavailable("there is no GPU", "put one in")

    engine = await started(make(probe=probe))
    assert engine.status.phase is Phase.ABSENT
    assert engine.status.detail == "there is no GPU: put one in"
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warnings == ["fake is left out: there is no GPU: put one in"]
    here = True
    assert (await started(engine)).status.phase is Phase.READY


async def test_a_child_that_cannot_run_here_is_left_out(make: Make) -> None:
    engine = await started(make(fault="unavailable"))
    assert engine.status.phase is Phase.ABSENT
    assert engine.status.detail == "it has no mouth: give it one"


async def test_a_fault_of_the_probe_does_not_keep_others_waiting(make: Make) -> None:
    def probe() -> None:
        raise ZeroDivisionError

    engine = await started(make(probe=probe))
    assert engine.status.phase is Phase.ABSENT


# -- death and hanging


async def test_death_before_the_first_sound(make: Make, tmp_path: Path) -> None:
    engine = await started(make(fault="die", once=str(tmp_path / "once")))
    pid = engine.pid
    reply = engine.start_reply(VOICES[0])
    with pytest.raises(WorkerDied):
        await hear(reply)
    assert engine.status.phase is Phase.STARTING
    await until(engine, lambda: engine.status.phase is Phase.READY)
    assert engine.pid != pid
    assert len(await hear(reply)) == 5


async def test_death_inside_a_sentence(make: Make) -> None:
    engine = await started(make(fault="die", fault_at=2, restart_seconds=5))
    heard: list[bytes] = []
    with pytest.raises(WorkerDied, match="ended"):
        await hear(engine.start_reply(VOICES[0]), into=heard)
    assert heard == [frame(0), frame(1)]
    await until(engine, lambda: "exit code 3" in engine.status.detail)


@pytest.mark.parametrize("fault", ["rubbish", "huge"])
async def test_what_is_no_message_ends_the_child(make: Make, fault: str, tmp_path: Path) -> None:
    engine = await started(make(fault=fault, once=str(tmp_path / "once")))
    with pytest.raises(WorkerDied, match="no message"):
        await hear(engine.start_reply(VOICES[0]))
    await until(engine, lambda: engine.status.phase is Phase.READY)
    assert len(await hear(engine.start_reply(VOICES[0]))) == 5


async def test_a_child_that_hangs_is_replaced(make: Make, tmp_path: Path) -> None:
    engine = await started(make(fault="hang", once=str(tmp_path / "once"), hang_seconds=2.0))
    with pytest.raises(WorkerDied, match="hangs"):
        await hear(engine.start_reply(VOICES[0]))
    await until(engine, lambda: engine.status.phase is Phase.READY)
    assert len(await hear(engine.start_reply(VOICES[0]))) == 5


async def test_an_idle_child_beats(make: Make) -> None:
    engine = await started(make(hang_seconds=2.0))
    pid = engine.pid
    await asyncio.sleep(2.6)
    assert engine.pid == pid


@pytest.mark.parametrize("fault", ["silent", "loading"])
async def test_a_child_that_never_gets_ready_is_replaced(make: Make, fault: str) -> None:
    """Beats alone are no progress."""
    engine = make(fault=fault, start_seconds=1.2, restart_seconds=5)
    await engine.start()
    await until(engine, lambda: engine.status.detail.startswith("starting again"))
    assert "hangs" in engine.status.detail


async def test_it_rests_after_five_deaths(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    engine = await started(make(command=(sys.executable, "-S", "-c", "raise SystemExit(4)")))
    assert engine.status.phase is Phase.RESTING
    assert "failed 5 times in a row" in engine.status.detail
    assert "exit code 4" in engine.status.detail
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 5
    assert "SIGHUP" in warnings[-1]
    with pytest.raises(EngineError, match="5 times"):
        await hear(engine.start_reply(VOICES[0]))
    caplog.clear()
    assert (await started(engine)).status.phase is Phase.RESTING  # tried anew, five times
    assert len([r for r in caplog.records if r.levelno == logging.WARNING]) == 5


async def test_deaths_between_spoken_sentences_are_not_in_a_row(make: Make) -> None:
    engine = await started(make(fault="die", only_in="die", frames=1))
    for _ in range(6):
        assert await hear(engine.start_reply(VOICES[0]), "live") == [frame(0)]
        with pytest.raises(WorkerDied):
            await hear(engine.start_reply(VOICES[0]), "die")
        await until(engine, lambda: engine.status.phase is not Phase.STARTING)
    assert engine.status.phase is Phase.READY


async def test_a_command_that_does_not_exist(make: Make) -> None:
    engine = await started(make(command=("/does/not/exist",)))
    assert engine.status.phase is Phase.RESTING
    assert "cannot be started" in engine.status.detail


async def test_a_child_that_reads_nothing_blocks_nobody(make: Make) -> None:
    engine = await started(make(restart_seconds=5))
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGSTOP)
    text = "x" * 100_000

    async def ask() -> None:
        with pytest.raises(WorkerDied):
            await hear(engine.start_reply(VOICES[0]), text)

    asked = time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(20)))
    assert time.perf_counter() - asked < 5


# -- the end


async def test_stop_ends_the_child_and_what_is_in_flight(make: Make) -> None:
    engine = await started(make(frames=10_000, step_seconds=0.01))
    pid = engine.pid
    assert pid is not None
    assert os.getpgid(pid) == pid  # a terminal's Ctrl-C is for the server alone
    async with aclosing(engine.start_reply(VOICES[0]).speak(Speak("Long."))) as sound:
        await anext(sound)
        await asyncio.gather(engine.stop(), engine.stop())
        with pytest.raises(WorkerDied, match="stopped"):
            async for _ in sound:
                pass
    assert not is_alive(pid)
    assert engine.status.phase is Phase.ABSENT


async def test_stop_ends_a_child_that_does_not_want_to_go(make: Make) -> None:
    engine = await started(make(fault="stubborn"))
    pid = engine.pid
    assert pid is not None
    first = asyncio.create_task(engine.stop())
    await asyncio.sleep(0.1)
    await engine.stop()  # does not disturb the first, which insists
    await first
    assert not is_alive(pid)


async def test_stop_while_loading(make: Make) -> None:
    engine = make(fault="loading")
    await engine.start()
    await until(engine, lambda: engine.status.detail == "loading for ever")
    await engine.stop()
    assert engine.status.phase is Phase.ABSENT


SERVER = """
import asyncio, sys
from wyoming_csm.engines.worker import WorkerEngine
from wyoming_csm.worker.protocol import Configure
from tests.worker.fake_child import COMMAND

async def serve():
    settings = {"fault": "grandchild"}
    engine = WorkerEngine(Configure("fake", settings, "", ""), voices=lambda: (),
                          probe=lambda: None, hang_seconds=30, command=COMMAND)
    await engine.start()
    await engine.wait_settled()
    print(engine.pid, flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await engine.stop()

asyncio.run(serve())
"""


@pytest.mark.parametrize("end", ["stop", "kill the server", "kill the child"])
def test_no_process_is_left_behind(end: str) -> None:
    """All of them hold the server's standard error: it ends with the last of them."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    ) as server:
        assert server.stdout is not None
        child = int(server.stdout.readline())
        if end == "kill the child":
            os.kill(child, signal.SIGKILL)
        if end == "kill the server":
            server.kill()
        _, errors = server.communicate(None if end == "kill the server" else "\n", timeout=20)
        assert "Traceback" not in errors
