"""CSM in its child's place: a tiny checkpoint, from sentences to sound."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import soundfile
import torch

from tests.worker.csm.stages import (
    SPEAKER,
    begin,
    make_clip,
    make_stage,
    prepare,
    scripted,
    speak,
    step,
)
from wyoming_csm.audio import SAMPLE_RATE, SAMPLES_PER_FRAME, from_pcm
from wyoming_csm.config import CsmConfig
from wyoming_csm.errors import EngineError
from wyoming_csm.model.pipeline import FrameHandle, FramePipeline
from wyoming_csm.model.sampling import Sampling
from wyoming_csm.voices import Clip
from wyoming_csm.worker.csm.load import choose_sampling
from wyoming_csm.worker.csm.stage import Frame
from wyoming_csm.worker.protocol import Say

pytestmark = pytest.mark.usefixtures("thread")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.wav")


def test_a_sentence_is_cut_at_its_limit_in_whole_frames(checkpoint: Path, tmp_path: Path) -> None:
    stage = make_stage(checkpoint, tmp_path)
    frames = speak(stage, Say(1, 1, "", "Hello there.", SPEAKER))
    assert len(frames) == 12, "1 s"
    assert all(len(frame.pcm) == SAMPLES_PER_FRAME * 2 for frame in frames)
    assert (frames[-1].last, frames[-1].ended) == (True, False)
    assert np.abs(from_pcm(b"".join(frame.pcm for frame in frames))).max() > 0


def test_the_limit_follows_the_text(checkpoint: Path, tmp_path: Path) -> None:
    stage = make_stage(checkpoint, tmp_path, max_seconds=60.0)
    frames = speak(stage, Say(1, 1, "", "Hi.", SPEAKER))
    assert len(frames) == int((4 + 0.75) * 12.5)


def test_a_seed_repeats_a_sentence_and_its_neighbours_do_not_matter(
    checkpoint: Path, tmp_path: Path
) -> None:
    first, stage = make_stage(checkpoint, tmp_path), make_stage(checkpoint, tmp_path)
    alone = speak(first, Say(1, 1, "", "The door is open.", SPEAKER))
    begin(stage, 0, Say(5, 5, "", "Another sentence.", SPEAKER))
    step(stage, [0])
    begin(stage, 2, Say(6, 6, "", "The door is open.", SPEAKER), positions=3)
    beside = [step(stage, [0, 2] if n < 9 else [2])[-1] for n in range(len(alone))]
    for mine, other in zip(alone, beside, strict=True):
        assert np.abs(from_pcm(mine.pcm) - from_pcm(other.pcm)).max() < 1e-3
    changed = make_stage(checkpoint, tmp_path, seed=8)
    differently = speak(changed, Say(1, 1, "", "The door is open.", SPEAKER))
    assert [f.pcm for f in differently] != [f.pcm for f in alone]


def test_a_clip_is_heard_before_the_text_and_encoded_once(
    checkpoint: Path, tmp_path: Path, clip: Clip
) -> None:
    voice = msgspec.structs.replace(SPEAKER, clips=(clip,))
    stage = make_stage(checkpoint, tmp_path)
    with_clip = speak(stage, Say(1, 1, "", "Hello.", voice))
    without = speak(stage, Say(2, 2, "", "Hello.", SPEAKER))
    assert [f.pcm for f in with_clip] != [f.pcm for f in without]
    kept = list((tmp_path / "clips").iterdir())
    assert len(kept) == 1
    again = make_stage(checkpoint, tmp_path)
    assert [f.pcm for f in speak(again, Say(1, 1, "", "Hello.", voice))] == [
        f.pcm for f in with_clip
    ]


def test_a_clip_that_went_away_fails_one_sentence_and_may_come_back(
    checkpoint: Path, tmp_path: Path, clip: Clip
) -> None:
    away = tmp_path / "away.wav"
    voice = msgspec.structs.replace(SPEAKER, clips=(Clip(str(away), clip.text),))
    stage = make_stage(checkpoint, tmp_path)
    say = Say(1, 1, "", "Hello.", voice)
    prepare(stage, say)
    with pytest.raises(EngineError, match=r"away\.wav could not be used"):
        stage.begin(0, say)
    away.write_bytes(Path(clip.path).read_bytes())
    assert speak(stage, say)


def test_a_recorded_voice_speaks_where_transformers_is_not_installed(
    checkpoint: Path, tmp_path: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    voice = msgspec.structs.replace(SPEAKER, clips=(clip,))
    assert speak(make_stage(checkpoint, tmp_path), Say(1, 1, "", "Hello.", voice))
    assert len(list((tmp_path / "clips").iterdir())) == 1


def test_another_recording_in_the_same_place_is_heard(
    checkpoint: Path, tmp_path: Path, clip: Clip
) -> None:
    """The folder of voices is found again while the server runs: so must the sound be."""
    mine = tmp_path / "clip.wav"
    mine.write_bytes(Path(clip.path).read_bytes())
    voice = msgspec.structs.replace(SPEAKER, clips=(Clip(str(mine), clip.text),))
    stage = make_stage(checkpoint, tmp_path)
    before = speak(stage, Say(1, 1, "", "Hello.", voice))
    soundfile.write(mine, np.random.default_rng(2).normal(0, 0.1, 2 * SAMPLE_RATE), SAMPLE_RATE)
    after = speak(stage, Say(2, 2, "", "Hello.", voice))
    assert [f.pcm for f in after] != [f.pcm for f in before]
    mine.unlink()
    assert speak(stage, Say(3, 3, "", "Hello.", voice)), "what was heard before serves"


def test_the_zero_frame_is_the_end_and_no_sound(checkpoint: Path, tmp_path: Path) -> None:
    stage = make_stage(checkpoint, tmp_path)
    first_zero = [0, *range(1, 8)]  # code 0 in one codebook says nothing
    scripted(stage, [5] * 8, first_zero, [0] * 8)
    frames = speak(stage, Say(1, 1, "", "Hello.", SPEAKER))
    assert [len(frame.pcm) for frame in frames] == [SAMPLES_PER_FRAME * 2] * 2 + [0]
    assert frames[-1] == Frame(b"", last=True, ended=True)


def test_sentences_spoken_to_their_end_are_context_for_the_next(
    checkpoint: Path, tmp_path: Path
) -> None:
    stage = make_stage(checkpoint, tmp_path)
    pipeline = scripted(stage, *([[5] * 8] * 3), [0] * 8)
    for request in (1, 2):
        speak(stage, Say(request, 1, "", "Hello.", SPEAKER))
    speak(stage, Say(3, 2, "", "Hello.", SPEAKER))
    text = pipeline.heard[0]
    assert pipeline.heard == [text, 2 * text + 3 + 1, text], "3 frames and the frame of zeros"

    stage.end_reply(1)
    speak(stage, Say(4, 1, "", "Hello.", SPEAKER))
    assert pipeline.heard[-1] == text


def test_babble_that_was_cut_is_no_context(checkpoint: Path, tmp_path: Path) -> None:
    stage = make_stage(checkpoint, tmp_path)
    pipeline = scripted(stage, *([[5] * 8] * 20))
    for request in (1, 2):
        speak(stage, Say(request, 1, "", "Hello.", SPEAKER))
    assert pipeline.heard[0] == pipeline.heard[1]


def test_context_is_bounded_in_seconds(checkpoint: Path, tmp_path: Path) -> None:
    """Beyond it half is forgotten at once: most sentences then begin as the one before did."""
    stage = make_stage(checkpoint, tmp_path, context_seconds=1.0)  # 12 frames: 4 sentences of 3
    pipeline = scripted(stage, *([[5] * 8] * 3), [0] * 8)
    for request in range(8):
        speak(stage, Say(request, 1, "", "Hello.", SPEAKER))
    text = pipeline.heard[0]
    sentences = [(heard - text) // (text + 4) for heard in pipeline.heard]
    assert sentences == [0, 1, 2, 3, 4, 2, 3, 4]


def test_a_long_sentence_is_context_alone(checkpoint: Path, tmp_path: Path) -> None:
    """More than half of what is remembered, but not more than all."""
    stage = make_stage(checkpoint, tmp_path, context_seconds=1.0)
    pipeline = scripted(stage, *([[5] * 8] * 7), [0] * 8)
    for request in range(3):
        speak(stage, Say(request, 1, "", "Hello.", SPEAKER))
    assert np.diff(pipeline.heard).tolist() == [pipeline.heard[0] + 8, 0]


def test_memory_that_is_full_costs_what_is_kept_before_it_costs_a_sentence(
    checkpoint: Path, tmp_path: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the prefill, and in a frame."""
    stage = make_stage(checkpoint, tmp_path)
    speak(stage, Say(1, 1, "", "Hello.", msgspec.structs.replace(SPEAKER, clips=(clip,))))
    assert stage._kept.nbytes
    begin(stage, 0, Say(2, 2, "", "Hello.", SPEAKER))
    stage.begin(1, Say(3, 3, "", "Hello.", SPEAKER))
    for method, work in (
        ("prefill", lambda: stage.prefill(1, 1000)),
        ("launch", lambda: step(stage, [0, 1])),
    ):
        real = getattr(FramePipeline, method)

        def full_once(self: FramePipeline, *args: Any, real: Any = real, **more: Any) -> Any:
            if stage._kept.nbytes:
                raise torch.OutOfMemoryError
            return real(self, *args, **more)

        stage._kept.keep(torch.zeros(3, 9), lambda n: stage._pipeline.save(0, n))
        monkeypatch.setattr(FramePipeline, method, full_once)
        assert work()
        assert not stage._kept.nbytes
        monkeypatch.undo()


def test_memory_that_stays_full_fails_one_sentence(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = make_stage(checkpoint, tmp_path)
    begin(stage, 0, Say(1, 1, "", "Hello.", SPEAKER))
    step(stage, [0])
    real = FramePipeline.launch

    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError

    def full_for_two(self: FramePipeline, active: Sequence[int]) -> FrameHandle:
        if len(active) > 1:
            raise torch.OutOfMemoryError
        return real(self, active)

    with monkeypatch.context() as patch:
        patch.setattr(FramePipeline, "prefill", full)
        stage.begin(1, Say(2, 2, "", "Hello.", SPEAKER))
        with pytest.raises(EngineError, match="memory is too full"):
            stage.prefill(1, 1000)
        stage.release(1)
    begin(stage, 1, Say(3, 3, "", "Hello.", SPEAKER))
    with monkeypatch.context() as patch:
        patch.setattr(FramePipeline, "launch", full_for_two)
        with pytest.raises(EngineError, match="memory is too full"):
            stage.launch([0, 1])
        stage.release(1)
        assert step(stage, [0])[0].pcm, "the other goes on"
    stage.release(0)
    once_more = speak(stage, Say(4, 4, "", "Hello.", SPEAKER), slot=1)
    undisturbed = speak(make_stage(checkpoint, tmp_path), Say(1, 1, "", "Hello.", SPEAKER))
    assert [f.pcm for f in once_more] == [f.pcm for f in undisturbed]


def test_a_checkpoint_never_babbles_for_want_of_settings() -> None:
    assert choose_sampling(CsmConfig(), {}) == Sampling(0.9, 50, 0.9, 50)
    dropped = {"do_sample": True, "temperature": 0.7, "top_k": 30}
    assert choose_sampling(CsmConfig(), dropped) == Sampling(0.7, 30, 0.7, 30)
    greedy = {**dropped, "depth_decoder_do_sample": False}
    assert choose_sampling(CsmConfig(), greedy).depth_temperature == 0
    mine = CsmConfig(temperature=0.5, depth_top_k=9)
    assert choose_sampling(mine, dropped) == Sampling(0.5, 30, 0.7, 9)
