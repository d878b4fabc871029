"""CSM as its child runs it: a tiny checkpoint, from sentences to sound."""

import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile
import torch

from tests.worker.csm.runners import (
    END,
    SOME,
    SPEAKER,
    Driver,
    Talk,
    as_read_again,
    make_clip,
    make_runner,
    say,
    voice_of,
)
from wyoming_csm.audio import SAMPLE_RATE, SAMPLES_PER_FRAME, from_pcm
from wyoming_csm.config import CsmConfig
from wyoming_csm.errors import EngineError
from wyoming_csm.model.pipeline import FrameHandle, FramePipeline
from wyoming_csm.model.sampling import Sampling
from wyoming_csm.voices import Clip, Manner, Voice
from wyoming_csm.worker.csm.load import choose_sampling

pytestmark = pytest.mark.usefixtures("thread")

WHOLE = SAMPLES_PER_FRAME * 2  # bytes


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.wav")


def drive(checkpoint: Path, data: Path, **settings: object) -> Driver:
    return Driver(make_runner(checkpoint, data, **settings))  # type: ignore[arg-type]


def test_a_sentence_is_cut_at_its_limit_in_whole_frames(checkpoint: Path, tmp_path: Path) -> None:
    sounds = drive(checkpoint, tmp_path).speak(say(1, 1, "Hello there."))
    assert len(sounds) == 12, "1 s"
    assert all(len(sound.pcm) == WHOLE for sound in sounds)
    assert np.abs(from_pcm(b"".join(sound.pcm for sound in sounds))).max() > 0


def test_the_limit_follows_the_text(checkpoint: Path, tmp_path: Path) -> None:
    sounds = drive(checkpoint, tmp_path, max_seconds=60.0).speak(say(1, 1, "Hi."))
    assert len(sounds) == int((4 + 0.75) * 12.5)


def test_a_presets_temperature_is_that_of_its_sentences_alone(
    checkpoint: Path, tmp_path: Path
) -> None:
    calm = msgspec.structs.replace(SPEAKER, manner=Manner(temperature=0.0))
    settings = {"temperature": 1.5, "depth_temperature": 0.0}

    def spoken(seed: int, voice: Voice) -> bytes:
        driver = drive(checkpoint, tmp_path, seed=seed, **settings)
        driver.speak(say(1, 1, "The door is open.", SPEAKER if voice is calm else calm))
        sounds = driver.speak(say(2, 2, "The door is open.", voice))
        return b"".join(sound.pcm for sound in sounds)

    assert spoken(1, calm) == spoken(2, calm)
    assert spoken(1, SPEAKER) != spoken(2, SPEAKER)


def test_a_presets_temperature_without_effect_is_one_warning(
    checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    driver = drive(checkpoint, tmp_path, temperature=0.0)
    for number in (1, 2):
        voice = msgspec.structs.replace(SPEAKER, manner=Manner(temperature=0.7))
        driver.speak(say(number, number, "Hello.", voice))
    assert caplog.text.count("A preset's temperature has no effect") == 1


def test_a_seed_repeats_a_sentence_and_its_neighbours_do_not_matter(
    checkpoint: Path, tmp_path: Path
) -> None:
    alone = drive(checkpoint, tmp_path).speak(say(1, 1, "The door is open."))
    two = drive(checkpoint, tmp_path)
    other = two.start(say(5, 5, "Another sentence."))
    two.step(other)
    mine = two.start(say(6, 6, "The door is open."), slot=2, chunk=3)
    beside = [two.step(*((other, mine) if n < 9 else (mine,)))[mine] for n in range(len(alone))]
    for one, expected in zip(beside, alone, strict=True):
        assert np.abs(from_pcm(one.pcm) - from_pcm(expected.pcm)).max() < 1e-3
    changed = drive(checkpoint, tmp_path, seed=8)
    assert changed.speak(say(1, 1, "The door is open.")) != alone


def test_a_clip_stands_before_the_text_and_is_encoded_once(
    checkpoint: Path, tmp_path: Path, clip: Clip
) -> None:
    voice = msgspec.structs.replace(SPEAKER, clips=(clip,))
    driver = drive(checkpoint, tmp_path)
    with_clip = driver.speak(say(1, 1, "Hello.", voice))
    assert driver.speak(say(2, 2, "Hello.")) != with_clip
    assert len(list((tmp_path / "clips").iterdir())) == 1
    again = drive(checkpoint, tmp_path)
    assert again.speak(say(1, 1, "Hello.", voice)) == with_clip


def test_a_clip_that_went_away_fails_one_sentence_and_may_come_back(
    checkpoint: Path, tmp_path: Path, clip: Clip
) -> None:
    away = tmp_path / "away.wav"
    voice = msgspec.structs.replace(SPEAKER, clips=(Clip(str(away), clip.text),))
    driver = drive(checkpoint, tmp_path)
    with pytest.raises(EngineError, match=r"away\.wav could not be used"):
        driver.start(say(1, 1, "Hello.", voice))
    away.write_bytes(Path(clip.path).read_bytes())
    assert driver.speak(say(2, 1, "Hello.", voice))


def test_a_recorded_voice_speaks_where_transformers_is_not_installed(
    checkpoint: Path, tmp_path: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    voice = msgspec.structs.replace(SPEAKER, clips=(clip,))
    assert drive(checkpoint, tmp_path).speak(say(1, 1, "Hello.", voice))
    assert len(list((tmp_path / "clips").iterdir())) == 1


def test_another_recording_under_the_same_path_is_used(
    checkpoint: Path, tmp_path: Path, clip: Clip
) -> None:
    """The folder of voices is found again while the server runs: so must the sound be."""
    mine = tmp_path / "clip.wav"
    mine.write_bytes(Path(clip.path).read_bytes())
    voice = msgspec.structs.replace(SPEAKER, clips=(Clip(str(mine), clip.text),))
    driver = drive(checkpoint, tmp_path)
    before = driver.speak(say(1, 1, "Hello.", voice))
    soundfile.write(mine, np.random.default_rng(2).normal(0, 0.1, 2 * SAMPLE_RATE), SAMPLE_RATE)
    voice = as_read_again(voice)
    assert driver.speak(say(2, 2, "Hello.", voice)) != before
    mine.unlink()
    assert driver.speak(say(3, 3, "Hello.", voice)), "what was encoded before serves"


def test_the_zero_frame_is_the_end_and_no_sound(checkpoint: Path, tmp_path: Path) -> None:
    talk = Talk(checkpoint, tmp_path)
    first_zero = [0, *range(1, 8)]  # code 0 in one codebook says nothing
    talk.follow(SOME, first_zero, END)
    sounds = talk.speak(say(1, 1, "Hello."))
    assert [len(sound.pcm) for sound in sounds] == [WHOLE, WHOLE, 0]
    assert [sound.last for sound in sounds] == [False, False, True]


def test_sentences_spoken_to_their_end_are_context_for_the_next(
    checkpoint: Path, tmp_path: Path
) -> None:
    talk = Talk(checkpoint, tmp_path, cached=0)
    talk.follow(SOME, SOME, SOME, END)
    for number, reply in ((1, 1), (2, 1), (3, 2)):
        talk.speak(say(number, reply, "Hello."))
    text = talk.own("Hello.")
    assert talk.computed == [text, 2 * text + 3 + 1, text], "3 frames and the frame of zeros"

    talk.runner.end_reply(1)
    talk.speak(say(4, 1, "Hello."))
    assert talk.computed[-1] == text


@pytest.mark.parametrize("stopped", [False, True])
def test_a_sentence_that_was_cut_or_stopped_is_no_context(
    checkpoint: Path, tmp_path: Path, stopped: bool
) -> None:
    talk = Talk(checkpoint, tmp_path, cached=0)
    talk.follow(*[SOME] * 20)
    sentence = talk.start(say(1, 1, "Hello."))
    if stopped:
        talk.step(sentence)
        talk.release(sentence)
    else:
        assert len(talk.finish(sentence)) == sentence.max_frames
    talk.start(say(2, 1, "Hello."))
    assert talk.computed == [talk.own("Hello.")] * 2


def test_context_is_bounded_in_seconds(checkpoint: Path, tmp_path: Path) -> None:
    """Beyond it half is forgotten at once: most sentences then begin as the one before did."""
    talk = Talk(checkpoint, tmp_path, cached=0, context_seconds=1.0)  # 12 frames: 4 sentences of 3
    talk.follow(SOME, SOME, SOME, END)
    for number in range(8):
        talk.speak(say(number, 1, "Hello."))
    text = talk.own("Hello.")
    sentences = [(positions - text) // (text + 4) for positions in talk.computed]
    assert sentences == [0, 1, 2, 3, 4, 2, 3, 4]


def test_a_long_sentence_is_context_alone(checkpoint: Path, tmp_path: Path) -> None:
    """More than half of what is remembered, but not more than all."""
    talk = Talk(checkpoint, tmp_path, cached=0, context_seconds=1.0)
    talk.follow(*[SOME] * 7, END)
    for number in range(3):
        talk.speak(say(number, 1, "Hello."))
    assert np.diff(talk.computed).tolist() == [talk.own("Hello.") + 8, 0]


class FullPipeline(FramePipeline):
    """A device whose memory is full for the next calls, or for steps of too many."""

    full = 0
    most = 3

    def prefill(self, slot: int, prompt: torch.Tensor, seed: int, start: int = 0) -> None:
        self._allocate()
        super().prefill(slot, prompt, seed, start)

    def launch(self, active: "list[int]") -> FrameHandle:  # type: ignore[override]
        self._allocate(len(active))
        return super().launch(active)

    def _allocate(self, n: int = 1) -> None:
        self.full -= 1
        if self.full >= 0 or n > self.most:
            raise torch.OutOfMemoryError


@pytest.fixture
def tight(checkpoint: Path, tmp_path: Path) -> tuple[Talk, FullPipeline]:
    recordings = {"anna": torch.full((20, 8), 3)}
    talk = Talk(checkpoint, tmp_path, recordings, pipeline=FullPipeline)
    assert isinstance(talk.pipeline, FullPipeline)
    return talk, talk.pipeline


@pytest.mark.parametrize("where", ["prefill", "step"])
def test_memory_that_is_full_costs_the_cache_before_it_costs_a_sentence(
    tight: tuple[Talk, FullPipeline], where: str
) -> None:
    talk, pipeline = tight
    talk.speak(say(1, 1, "Hello.", voice_of("anna")))
    assert talk.cache.nbytes
    if where == "prefill":
        pipeline.full = 1
        talk.start(say(2, 2, "Hello."))
    else:
        sentence = talk.start(say(2, 2, "Hello."))
        pipeline.full = 1
        assert talk.step(sentence)[sentence].pcm
    assert not talk.cache.nbytes


def test_memory_that_stays_full_fails_one_sentence(tight: tuple[Talk, FullPipeline]) -> None:
    talk, pipeline = tight
    undisturbed = talk.speak(say(1, 1, "Hello."))
    first = talk.start(say(2, 2, "Hello."))
    talk.step(first)
    pipeline.full = 2
    with pytest.raises(EngineError, match="memory is too full"):
        talk.start(say(3, 3, "Hello."), slot=1)
    second = talk.start(say(4, 4, "Hello."), slot=1)
    pipeline.most = 1
    with pytest.raises(EngineError, match="memory is too full"):
        talk.step(first, second)
    talk.release(second)
    assert talk.step(first)[first].pcm, "the other goes on"
    talk.release(first)
    assert talk.speak(say(5, 5, "Hello."), slot=1) == undisturbed


def test_a_checkpoint_never_babbles_for_want_of_settings() -> None:
    assert choose_sampling(CsmConfig(), {}) == Sampling(0.9, 50, 0.9, 50)
    dropped = {"do_sample": True, "temperature": 0.7, "top_k": 30}
    assert choose_sampling(CsmConfig(), dropped) == Sampling(0.7, 30, 0.7, 30)
    greedy = {**dropped, "depth_decoder_do_sample": False}
    assert choose_sampling(CsmConfig(), greedy).depth_temperature == 0
    mine = CsmConfig(temperature=0.5, depth_top_k=9)
    assert choose_sampling(mine, dropped) == Sampling(0.5, 30, 0.7, 9)
