"""CSM's own faults, in its real child over random weights, and what a listener gets of each."""

from pathlib import Path

import pytest

from benchmarks.fixtures.random_csm import make_tiny_csm
from tests.fakes import FakeEngine, fake_voice
from tests.faults.drill import FRAMES, UNHURT, Drill, ask
from tests.server.clients import serving
from wyoming_csm.config import Config, CsmConfig
from wyoming_csm.engines.csm import csm_engines
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.voice_book import VoiceBook

LIMIT = 12  # frames: `max_seconds`


@pytest.mark.slow(6)
async def test_what_goes_wrong_in_the_model(
    drill: Drill, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One child for all, which goes on after each: loading it takes longer than what is shown."""
    checkpoint = make_tiny_csm(tmp_path / "csm", codebooks=8)
    csm = CsmConfig(
        checkpoint=str(checkpoint), device="cpu", max_seconds=1.0, seed=7, guard="none", slots=2
    )
    config = Config(csm=csm, data_dir=str(tmp_path / "data"))
    (engine,) = csm_engines(config, VoiceBook(tmp_path / "voices"))
    system = FakeEngine("system", voices=(fake_voice("pico"),))
    await engine.start()
    try:
        await engine.wait_loaded()
        pid = engine.pid
        async with serving(Fallback([engine, system])) as server:
            drill.set("csm babble")  # these weights never end by themselves, either
            usual = await ask(server)
            assert (usual.kinds, usual.frames) == (UNHURT, LIMIT), "it is cut"

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
