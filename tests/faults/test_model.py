"""CSM's own faults, over weights that count their frames, and what a listener gets of each."""

from pathlib import Path
from queue import SimpleQueue

import pytest

from tests.fakes import FRAME_BYTES, FakeEngine, fake_voice
from tests.faults.counting import make_counting_csm
from tests.faults.drill import FRAMES, UNHURT, Drill, ask
from tests.server.clients import serving
from tests.worker.csm.runners import make_runner, one_thread, say
from wyoming_csm.config import Config, CsmConfig
from wyoming_csm.engines.csm import csm_engines
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.voice_book import VoiceBook
from wyoming_csm.worker.csm.frame_loop import FrameLoop
from wyoming_csm.worker.csm.guard import LOOK_AHEAD
from wyoming_csm.worker.protocol import Audio, Done, FromChild, ToChild

OWN = 6  # frames of a sentence that ends by itself: "Hello."
LONGEST = 65  # 4 s and 0.2 s for each of its characters


@pytest.mark.slow(6)
async def test_what_goes_wrong_in_the_model(drill: Drill, tmp_path: Path) -> None:
    """One real child for all, which goes on after each: loading it takes longer than what is
    shown. The guard is as users have it."""
    checkpoint = make_counting_csm(tmp_path / "csm", OWN)
    csm = CsmConfig(checkpoint=str(checkpoint), device="cpu", seed=7, slots=2)
    config = Config(csm=csm, data_dir=str(tmp_path / "data"))
    (engine,) = csm_engines(config, VoiceBook(tmp_path / "voices"))
    system = FakeEngine("system", voices=(fake_voice("pico"),))
    await engine.start()
    try:
        await engine.wait_loaded()
        pid = engine.pid
        async with serving(Fallback([engine, system])) as server:
            usual = await ask(server)
            assert (usual.kinds, usual.frames) == (UNHURT, OWN), "it ends by itself"

            drill.set("csm babble")
            cut = await ask(server)
            assert (cut.kinds, cut.sound[: len(usual.sound)]) == (UNHURT, usual.sound)
            assert OWN < cut.frames <= OWN + LOOK_AHEAD, "it is cut, where it repeats itself"

            for fault in ("memory", "nan"):
                drill.set(f"csm {fault} 0")
                spared = await ask(server)
                assert (spared.kinds, spared.frames) == (UNHURT, FRAMES)
                assert system.finished.pop() == "Hello.", "another voice speaks"

                drill.set(f"csm {fault} 3")
                cut = await ask(server)
                assert cut.kinds == ["audio-start", "audio-chunk", "error"]
                assert cut.frames == 3
                why = {"memory": "memory is too full", "nan": "numbers went bad (NaN)"}[fault]
                assert why in cut.error

                drill.set()
                assert (await ask(server)).sound == usual.sound
        assert engine.pid == pid
        assert not system.finished
    finally:
        await engine.stop()


@pytest.mark.slow(1)
def test_without_the_guard_one_that_never_ends_is_cut_at_its_longest(
    drill: Drill, tmp_path: Path
) -> None:
    """In this process, whose pipeline is as faulty."""
    checkpoint = make_counting_csm(tmp_path / "csm", OWN)
    runner = make_runner(checkpoint, tmp_path / "data", guard="none", max_seconds=60.0)
    inbox: SimpleQueue[ToChild | None] = SimpleQueue()
    sent: list[FromChild] = []
    loop = FrameLoop(inbox, sent.append, runner)

    def speak() -> float:
        sent.clear()
        inbox.put(say(1, 1, "Hello."))
        while not any(isinstance(message, Done) for message in sent):
            inbox.put(None)
            loop.turn()
        return sum(len(m.pcm) for m in sent if isinstance(m, Audio)) / FRAME_BYTES

    with one_thread():
        assert speak() == OWN
        drill.set("csm babble")
        assert speak() == LONGEST
        drill.set()
        assert speak() == OWN
