"""The engine with its guard, over a tiny CSM whose sound is a recording: what goes wrong is made
again or cut, and nothing builds on it."""

import logging
from pathlib import Path
from queue import SimpleQueue

import pytest
import torch

from benchmarks.guarding import Speech, pico, went_wrong
from tests.worker.csm.runners import END, SOME, Talk, say
from wyoming_csm.audio import from_pcm
from wyoming_csm.model.pipeline import FrameHandle, FramePipeline
from wyoming_csm.worker.csm.frame_loop import FrameLoop
from wyoming_csm.worker.csm.runner import another_seed
from wyoming_csm.worker.protocol import Audio, Done, Failed, FromChild, ToChild

SECOND = 12.5  # frames


@pytest.fixture(scope="module")
def good() -> Speech:
    return next(pico(("en-US",), ("The light in the kitchen was turned on.",)))


@pytest.fixture(scope="module")
def wrong(good: Speech) -> dict[str, list[bytes]]:
    return went_wrong(good.frames)


class Recorded(FramePipeline):
    """A device whose sound is a recording; each new sound takes the next of them."""

    recordings: list[list[bytes]]
    played: dict[int, list[bytes]]

    def start_sound(self, slot: int) -> None:
        super().start_sound(slot)
        self.played[slot] = list(self.recordings.pop(0) if self.recordings else [])

    def launch(self, active: "list[int]") -> FrameHandle:  # type: ignore[override]
        wait = super().launch(active)
        frames = [self.played[slot].pop(0) if self.played[slot] else b"" for slot in active]

        def waits() -> tuple[torch.Tensor, torch.Tensor]:
            codes, samples = wait()
            for row, frame in enumerate(frames):
                if frame:
                    samples[row] = torch.from_numpy(from_pcm(frame).copy())
            return codes, samples

        return waits


@pytest.fixture
def talk(checkpoint: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Talk:
    """A tiny CSM that never ends, whose sound is recorded; one frame ahead or none."""
    talk = Talk(
        checkpoint,
        tmp_path,
        ahead=getattr(request, "param", 1),
        pipeline=Recorded,
        guard="sound",
        max_seconds=60.0,
    )
    assert isinstance(talk.pipeline, Recorded)
    talk.pipeline.played, talk.pipeline.recordings = {}, []
    talk.generator.script = dict.fromkeys(range(1_000), SOME)
    return talk


@pytest.mark.usefixtures("thread")
@pytest.mark.parametrize(
    ("kind", "most"), [("silence", 1.6), ("a word again", 3.0), ("noise", 1.0), ("babble", 7.0)]
)
def test_the_engine_never_goes_on_for_ever(
    talk: Talk, good: Speech, wrong: dict[str, list[bytes]], kind: str, most: float
) -> None:
    assert isinstance(talk.pipeline, Recorded)
    talk.pipeline.recordings = [good.frames + wrong[kind]]
    sounds = talk.speak(say(1, 1, good.text))
    pcm = b"".join(sound.pcm for sound in sounds)
    assert pcm.startswith(b"".join(good.frames))
    assert sounds[-1].last
    assert len(pcm) / 3840 - len(good.frames) <= most * SECOND
    talk.start(say(2, 1, good.text))
    assert talk.computed[-1] == talk.own(good.text), "it is no context"


@pytest.mark.usefixtures("thread")
@pytest.mark.parametrize("talk", [0, 1], indirect=True)
def test_the_engine_makes_again_cuts_and_forgets_what_was_cut(
    talk: Talk,
    good: Speech,
    wrong: dict[str, list[bytes]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Through the frame loop, over a tiny CSM: a sentence that is silent, then spoken; one that
    hums after its words, for ever; and a last one, whose context is the first alone."""
    caplog.set_level(logging.INFO, "wyoming_csm.worker.csm.runner")
    assert isinstance(talk.pipeline, Recorded)
    talk.pipeline.recordings = [
        wrong["silence"],
        good.frames,
        good.frames + wrong["hum"],
        good.frames,
    ]
    inbox: SimpleQueue[ToChild | None] = SimpleQueue()
    sent: list[FromChild] = []
    loop = FrameLoop(inbox, sent.append, talk.runner)

    def speak(number: int, ends: bool) -> bytes:
        if ends:
            talk.generator.script[len(good.frames)] = END
        inbox.put(say(number, 1, good.text))
        while not any(isinstance(m, Done) and m.sentence == number for m in sent):
            inbox.put(None)
            loop.turn()
            assert not any(isinstance(message, Failed) for message in sent)
        talk.generator.script[len(good.frames)] = SOME
        return b"".join(m.pcm for m in sent if isinstance(m, Audio) and m.sentence == number)

    whole = b"".join(good.frames)
    assert speak(1, ends=True) == whole
    cut = speak(2, ends=False)
    assert cut.startswith(whole)
    assert len(cut) - len(whole) < 1.0 * 48_000
    before = talk.generator.prefilled
    assert speak(3, ends=True) == whole
    text = talk.own(good.text)
    assert talk.generator.prefilled - before == text, "the context is what was cached of the first"
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert "did not sound" in lines[0]
    assert "begun again" in lines[0]
    assert "cut off" in lines[1]
    assert not any(good.text in line for line in lines)


@pytest.mark.usefixtures("thread")
@pytest.mark.parametrize("talk", [0, 1], indirect=True)
def test_what_is_made_again_is_what_its_seed_says_alone(
    talk: Talk, checkpoint: Path, tmp_path: Path, good: Speech, wrong: dict[str, list[bytes]]
) -> None:
    """To the code: nothing of the 25 frames of the first try is left in its slot."""
    assert isinstance(talk.pipeline, Recorded)
    talk.pipeline.recordings = [wrong["silence"], good.frames]
    talk.generator.script = {len(good.frames): END}
    talk.speak(say(1, 1, good.text))
    alone = Talk(checkpoint, tmp_path, seed=another_seed(7), max_seconds=60.0)
    alone.generator.script = {len(good.frames): END}
    alone.speak(say(1, 1, good.text))
    assert torch.equal(talk.codes[0], alone.codes[0])
