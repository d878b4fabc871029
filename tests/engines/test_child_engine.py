"""A ChildEngine over real child processes: its sentences, its voices, and what cannot run here."""

import asyncio
import time
from contextlib import aclosing
from pathlib import Path

import pytest

from tests.engines.helpers import VOICES, Make, OneEngine, speak, started, until
from tests.fakes import fake_voice, frame
from tests.server.clients import warnings
from wyoming_csm.engines.base import Phase
from wyoming_csm.errors import EngineError, EngineUnavailable, WorkerDied
from wyoming_csm.text.pieces import Speak
from wyoming_csm.voices import Voice

# -- speaking


async def test_a_sentence_comes_whole(make: Make) -> None:
    engine = await started(make(frames=4, slots=3))
    assert engine.status.phase is Phase.READY
    assert (engine.status.detail, engine.load) == ("fake child", (3, 0, 3))
    reply = OneEngine(engine, VOICES[0])
    assert await speak(reply) == [frame(number) for number in range(4)]
    assert len(await speak(reply)) == 4
    await reply.aclose()
    await reply.aclose()


async def test_sentences_side_by_side_have_their_own_sound(make: Make) -> None:
    engine = await started(make(frames=30, slots=3))
    replies = [OneEngine(engine, VOICES[0]) for _ in range(6)]
    for received in await asyncio.gather(*(speak(reply) for reply in replies)):
        assert received == [frame(number) for number in range(30)]


async def test_a_closed_sentence_is_stopped(make: Make) -> None:
    """One slot, 100 s of frames: the next sentence is spoken only if the slot becomes free."""
    engine = await started(make(frames=10_000, step_seconds=0.01, slots=1))
    for _ in range(3):
        async with aclosing(OneEngine(engine, VOICES[0]).speak(Speak("Long."))) as sound:
            async with asyncio.timeout(20):
                assert await anext(sound) == frame(0)
    assert engine.load.free == 1


async def test_a_cancelled_listener_stops_its_sentence(make: Make) -> None:
    engine = await started(make(frames=10_000, step_seconds=0.01, slots=1))
    listeners = [asyncio.create_task(speak(OneEngine(engine, VOICES[0]))) for _ in range(2)]
    await asyncio.sleep(0.05)
    for listener in listeners:
        listener.cancel()
    await asyncio.wait(listeners)
    async with asyncio.timeout(20), aclosing(OneEngine(engine, VOICES[0]).speak(Speak("."))) as s:
        assert await anext(s) == frame(0)


async def test_one_failed_sentence_is_not_the_engines_end(make: Make) -> None:
    engine = await started(make(fault="fail", only_in="bad"))
    pid = engine.pid
    with pytest.raises(EngineError, match="fake: told to fail") as caught:
        await speak(OneEngine(engine, VOICES[0]), "bad")
    assert not isinstance(caught.value, WorkerDied)
    assert len(await speak(OneEngine(engine, VOICES[0]), "good")) == 5
    assert engine.pid == pid


async def test_what_is_not_ready_refuses_at_once(make: Make) -> None:
    engine = make()
    with pytest.raises(EngineError, match="not ready"):
        await speak(OneEngine(engine, VOICES[0]))
    await engine.start()
    with pytest.raises(EngineError, match="not ready"):
        await speak(OneEngine(engine, VOICES[0]))


async def test_prints_never_reach_the_pipe(make: Make) -> None:
    engine = await started(make(fault="noise", frames=3))
    assert await speak(OneEngine(engine, VOICES[0])) == [frame(number) for number in range(3)]


async def test_the_pipe_costs_little(make: Make) -> None:
    """From asking to the first sound, less the engine's own 25 ms."""
    engine = await started(make(frames=1, step_seconds=0.025))
    least = 1.0
    for _ in range(200):  # other processes only add to it: on a busy machine it takes many
        asked = time.perf_counter()
        await speak(OneEngine(engine, VOICES[0]))
        least = min(least, time.perf_counter() - asked - 2 * 0.025)  # the frame, and the end
        if least < 0.005:
            break
    assert least < 0.005


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
    assert warnings(caplog) == ["fake is left out: there is no GPU: put one in"]
    here = True
    assert (await started(engine)).status.phase is Phase.READY


async def test_a_child_that_cannot_run_here_is_left_out(make: Make) -> None:
    engine = await started(make(fault="unavailable"))
    assert engine.status.phase is Phase.ABSENT
    assert engine.status.detail == "it has no mouth: give it one"


async def test_what_may_pass_by_itself_is_tried_again(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    tries = 0

    def probe() -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise EngineUnavailable("no network", "plug it in", passing=True)

    engine = await started(make(probe=probe, retry_seconds=0.01))
    await until(engine, lambda: engine.status.phase is Phase.READY)
    assert tries == 3
    assert warnings(caplog) == [
        f"fake is left out: no network: plug it in; it is tried again in {delay} s"
        for delay in ("0", "0")
    ]


async def test_nobody_who_asks_waits_for_the_next_try(make: Make) -> None:
    away = True

    def probe() -> None:
        if away:
            raise EngineUnavailable("no network", "plug it in", passing=True)

    engine = await started(make(probe=probe, retry_seconds=1_000.0))
    assert engine.status.phase is Phase.ABSENT
    assert (await started(engine)).status.phase is Phase.ABSENT
    away = False
    assert (await started(engine)).status.phase is Phase.READY


async def test_a_child_tells_what_may_pass(make: Make, tmp_path: Path) -> None:
    fault = {"fault": "unavailable", "once": str(tmp_path / "failed")}
    engine = await started(make(**fault, retry_seconds=0.01))
    await until(engine, lambda: engine.status.phase is Phase.READY)


async def test_a_fault_of_the_probe_delays_no_other(make: Make) -> None:
    def probe() -> None:
        raise ZeroDivisionError

    engine = await started(make(probe=probe))
    assert engine.status.phase is Phase.ABSENT
