"""CSM in its child's place: a tiny checkpoint, from sentences to sound."""

from collections.abc import Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import cast

import msgspec
import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from tests.tiny_csm import make_tiny_csm
from wyoming_csm.audio import SAMPLE_RATE, SAMPLES_PER_FRAME, from_pcm
from wyoming_csm.config import Config, CsmConfig
from wyoming_csm.engines.base import Phase, Speak
from wyoming_csm.engines.csm import csm_engine
from wyoming_csm.errors import EngineError, EngineUnavailable
from wyoming_csm.model.generator import FrameGenerator
from wyoming_csm.voices import Clip, Voice, VoiceBook
from wyoming_csm.worker.csm import choose_device, choose_dtype, load_stage
from wyoming_csm.worker.csm_stage import CsmStage
from wyoming_csm.worker.frame_loop import Frame
from wyoming_csm.worker.protocol import Say

SPEAKER = Voice(name="speaker_0", language="en", description="", engine="csm", speaker="0")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_csm(tmp_path_factory.mktemp("csm"), codebooks=8)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    noise = np.random.default_rng(1).normal(0, 0.1, SAMPLE_RATE).astype(np.float32)
    soundfile.write(path, noise, SAMPLE_RATE)
    return Clip(str(path), "One second of noise.")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # several are slower for a model of this size
    yield
    torch.set_num_threads(before)


def make_stage(checkpoint: Path, data: Path, **settings: object) -> CsmStage:
    config = msgspec.convert({"max_seconds": 1.0, "seed": 7, "slots": 3, **settings}, CsmConfig)
    return load_stage(config, checkpoint, data, CPU, torch.float32)


def prepare(stage: CsmStage, say: Say) -> None:
    from threading import Event

    ready = Event()
    if not stage.is_prepared(say, ready.set):
        assert ready.wait(60)
        assert stage.is_prepared(say, ready.set)


def speak(stage: CsmStage, say: Say, slot: int = 0) -> list[Frame]:
    """All frames of one sentence."""
    prepare(stage, say)
    stage.begin(slot, say)
    frames: list[Frame] = []
    while not frames or not frames[-1].last:
        frames += stage.step([slot])
    stage.release(slot)
    return frames


def test_a_sentence_is_cut_at_its_limit_in_whole_frames(checkpoint: Path, tmp_path: Path) -> None:
    stage = make_stage(checkpoint, tmp_path)
    frames = speak(stage, Say(1, 1, "Hello there.", SPEAKER))
    assert len(frames) == 12, "1 s"
    assert all(len(frame.pcm) == SAMPLES_PER_FRAME * 2 for frame in frames)
    assert (frames[-1].last, frames[-1].ended) == (True, False)
    assert np.abs(from_pcm(b"".join(frame.pcm for frame in frames))).max() > 0


def test_the_limit_follows_the_text(checkpoint: Path, tmp_path: Path) -> None:
    stage = make_stage(checkpoint, tmp_path, max_seconds=60.0)
    frames = speak(stage, Say(1, 1, "Hi.", SPEAKER))
    assert len(frames) == int((4 + 3 * 0.2) * 12.5)


def test_a_seed_repeats_a_sentence_and_its_neighbours_do_not_matter(
    checkpoint: Path, tmp_path: Path
) -> None:
    alone = speak(make_stage(checkpoint, tmp_path), Say(1, 1, "The door is open.", SPEAKER))
    stage = make_stage(checkpoint, tmp_path)
    stage.begin(0, Say(5, 5, "Another sentence.", SPEAKER))
    stage.step([0])
    stage.begin(2, Say(6, 6, "The door is open.", SPEAKER))
    beside: list[Frame] = []
    for _ in range(len(alone)):
        beside.append(stage.step([0, 2] if len(beside) < 9 else [2])[-1])
    for mine, other in zip(alone, beside, strict=True):
        assert np.abs(from_pcm(mine.pcm) - from_pcm(other.pcm)).max() < 1e-3
    changed = make_stage(checkpoint, tmp_path, seed=8)
    differently = speak(changed, Say(1, 1, "The door is open.", SPEAKER))
    assert [f.pcm for f in differently] != [f.pcm for f in alone]


def test_a_clip_is_heard_before_the_text_and_encoded_once(
    checkpoint: Path, tmp_path: Path, clip: Clip
) -> None:
    voice = msgspec.structs.replace(SPEAKER, clips=(clip,))
    stage = make_stage(checkpoint, tmp_path)
    with_clip = speak(stage, Say(1, 1, "Hello.", voice))
    without = speak(stage, Say(2, 2, "Hello.", SPEAKER))
    assert [f.pcm for f in with_clip] != [f.pcm for f in without]
    kept = list((tmp_path / "clips").iterdir())
    assert len(kept) == 1
    again = make_stage(checkpoint, tmp_path)
    assert [f.pcm for f in speak(again, Say(1, 1, "Hello.", voice))] == [f.pcm for f in with_clip]


def test_a_clip_that_went_away_fails_one_sentence_and_may_come_back(
    checkpoint: Path, tmp_path: Path, clip: Clip
) -> None:
    away = tmp_path / "away.wav"
    voice = msgspec.structs.replace(SPEAKER, clips=(Clip(str(away), clip.text),))
    stage = make_stage(checkpoint, tmp_path)
    say = Say(1, 1, "Hello.", voice)
    prepare(stage, say)
    with pytest.raises(EngineError, match=r"away\.wav could not be used"):
        stage.begin(0, say)
    away.write_bytes(Path(clip.path).read_bytes())
    assert speak(stage, say)


class Scripted(FrameGenerator):
    """Says what it is told to, and notes the prompts it hears."""

    script: tuple[Sequence[int], ...]
    heard: list[int]

    def prefill(self, slot: int, rows: Tensor, seed: int, start: int = 0) -> None:
        self.heard.append(len(rows))
        self.place = 0

    def step(self, active: Sequence[int]) -> Tensor:
        row = self.script[self.place]
        self.place += 1
        return torch.tensor([row] * len(active))


def scripted(stage: CsmStage, *script: Sequence[int]) -> Scripted:
    """The stage's generator, turned into one that follows a script."""
    generator = cast(Scripted, stage._generator)
    generator.__class__ = Scripted
    generator.script, generator.heard = script, []
    return generator


def test_the_zero_frame_is_the_end_and_no_sound(checkpoint: Path, tmp_path: Path) -> None:
    stage = make_stage(checkpoint, tmp_path)
    first_zero = [0, *range(1, 8)]  # code 0 in one codebook says nothing
    scripted(stage, [5] * 8, first_zero, [0] * 8)
    frames = speak(stage, Say(1, 1, "Hello.", SPEAKER))
    assert [len(frame.pcm) for frame in frames] == [SAMPLES_PER_FRAME * 2] * 2 + [0]
    assert frames[-1] == Frame(b"", last=True, ended=True)


def test_sentences_spoken_to_their_end_are_context_for_the_next(
    checkpoint: Path, tmp_path: Path
) -> None:
    stage = make_stage(checkpoint, tmp_path)
    generator = scripted(stage, *([[5] * 8] * 3), [0] * 8)
    for request in (1, 2):
        speak(stage, Say(request, 1, "Hello.", SPEAKER))
    speak(stage, Say(3, 2, "Hello.", SPEAKER))
    text = generator.heard[0]
    assert generator.heard == [text, 2 * text + 3 + 1, text], "3 frames and the frame of zeros"

    stage.end_reply(1)
    speak(stage, Say(4, 1, "Hello.", SPEAKER))
    assert generator.heard[-1] == text


def test_babble_that_was_cut_is_no_context(checkpoint: Path, tmp_path: Path) -> None:
    stage = make_stage(checkpoint, tmp_path)
    generator = scripted(stage, *([[5] * 8] * 20))
    for request in (1, 2):
        speak(stage, Say(request, 1, "Hello.", SPEAKER))
    assert generator.heard[0] == generator.heard[1]


def test_context_is_bounded_in_seconds(checkpoint: Path, tmp_path: Path) -> None:
    stage = make_stage(checkpoint, tmp_path, context_seconds=0.5)  # 6 frames: two sentences of 3
    generator = scripted(stage, *([[5] * 8] * 3), [0] * 8)
    for request in range(4):
        speak(stage, Say(request, 1, "Hello.", SPEAKER))
    one = generator.heard[0] + 4
    assert np.diff(generator.heard).tolist() == [one, one, 0]


def test_where_it_cannot_run_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("cpu") == CPU
    with pytest.raises(EngineUnavailable, match=r"CUDA|GPU") as refused:
        choose_device("auto")
    assert refused.value.cure
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(EngineUnavailable, match="there is no cuda:3"):
        choose_device("cuda:3")
    assert choose_dtype("auto", CPU) is torch.float32
    assert choose_dtype("float16", CPU) is torch.float16


def one_voice(folder: Path, clip: Clip) -> VoiceBook:
    (folder / "noise").mkdir(parents=True)
    (folder / "noise" / "clip.wav").write_bytes(Path(clip.path).read_bytes())
    (folder / "noise" / "clip.txt").write_text(clip.text)
    book = VoiceBook(folder)
    book.refresh()
    return book


@pytest.mark.slow
async def test_a_real_child_speaks_through_the_pipe(
    checkpoint: Path, tmp_path: Path, clip: Clip
) -> None:
    """The same words, voice and seed sound the same through the engine as on the stage."""
    book = one_voice(tmp_path / "voices", clip)
    csm = CsmConfig(checkpoint=str(checkpoint), device="cpu", max_seconds=1.0, seed=7)
    engine = csm_engine(Config(csm=csm, data_dir=str(tmp_path / "data")), book)
    await engine.start()
    try:
        await engine.wait_settled()
        assert engine.status.phase is Phase.READY, engine.status
        voice = engine.voice_for(book.voices[0])
        assert voice is not None
        reply = engine.start_reply(voice)
        heard = b""
        async with aclosing(reply.speak(Speak("Hello."))) as sound:
            async for pcm in sound:
                heard += pcm
        await reply.aclose()
    finally:
        await engine.stop()
    expected = speak(make_stage(checkpoint, tmp_path), Say(1, 1, "Hello.", book.voices[0]))
    difference = from_pcm(heard) - from_pcm(b"".join(frame.pcm for frame in expected))
    assert np.abs(difference).max() < 1e-3, "more than another number of threads explains"
