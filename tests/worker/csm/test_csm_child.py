"""CSM from end to end: an engine, its real child, a voice with a clip, and the sound."""

import os
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest

from benchmarks.fixtures.random_csm import make_tiny_csm
from tests.unpickled import listen
from tests.worker.csm.runners import Driver, make_clip, make_runner, one_thread, say
from wyoming_csm.audio import from_pcm
from wyoming_csm.config import Config, CsmConfig
from wyoming_csm.engines.base import Phase
from wyoming_csm.engines.csm import csm_engines
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.text.pieces import Speak
from wyoming_csm.voice_book import VoiceBook


def one_voice(folder: Path) -> VoiceBook:
    (folder / "noise").mkdir(parents=True)
    clip = make_clip(folder / "noise" / "clip.wav")
    (folder / "noise" / "clip.txt").write_text(clip.text)
    book = VoiceBook(folder)
    book.refresh()
    return book


@pytest.mark.slow
async def test_a_real_child_speaks_through_the_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same words, voice and seed sound the same through the engine as from the runner; and it
    unpickles nothing."""
    unpickled = listen(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    checkpoint = make_tiny_csm(tmp_path / "csm", codebooks=8)
    book = one_voice(tmp_path / "voices")
    csm = CsmConfig(checkpoint=str(checkpoint), device="cpu", max_seconds=1.0, seed=7, guard="none")
    (engine,) = csm_engines(Config(csm=csm, data_dir=str(tmp_path / "data")), book)
    await engine.start()
    try:
        await engine.wait_loaded()
        assert engine.status.phase is Phase.READY, engine.status
        voice = engine.voice_for(book.voices[0])
        assert voice is not None
        reply = Fallback([engine]).start_reply(voice)
        sound = b""
        async with aclosing(reply.speak(Speak("Hello."))) as chunks:
            async for pcm in chunks:
                sound += pcm
        await reply.aclose()
    finally:
        await engine.stop()
    assert unpickled.read_text() == ""
    with one_thread():
        driver = Driver(make_runner(checkpoint, tmp_path))
        expected = driver.speak(say(1, 1, "Hello.", book.voices[0]))
    difference = from_pcm(sound) - from_pcm(b"".join(frame.pcm for frame in expected))
    assert np.abs(difference).max() < 1e-3, "more than another number of threads explains"
