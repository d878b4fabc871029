"""What idle moments are used for: voices' prompts, and a thread that waits when they end."""

from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest
import torch
from torch import Tensor

from tests.worker.csm.runners import SPEAKER, Talk, say, voice_of

pytestmark = pytest.mark.usefixtures("thread")

ANNA, BERT = voice_of("anna"), voice_of("bert", speaker="1")


@pytest.fixture
def recordings() -> dict[str, Tensor]:
    """Two clips of 20 s."""
    generator = torch.Generator().manual_seed(1)
    return {name: torch.randint(128, (250, 8), generator=generator) for name in ("anna", "bert")}


@pytest.fixture
def talk(checkpoint: Path, tmp_path: Path, recordings: dict[str, Tensor]) -> Talk:
    return Talk(checkpoint, tmp_path, recordings)


@pytest.fixture
def voice(talk: Talk) -> int:
    """Positions of a voice's prompt."""
    return talk.own("the door is open") + 250 + 1


def idle(talk: Talk) -> int:
    """Use a moment; the positions that were read in it."""
    before = talk.generator.prefilled
    while talk.runner.idle():
        pass
    return talk.generator.prefilled - before


def test_voices_are_read_before_a_sentence_asks_for_them(talk: Talk, voice: int) -> None:
    """Chunk by chunk, while there is none; one that comes meanwhile is not held up."""
    talk.runner.prepare([ANNA, SPEAKER, BERT])
    for each in (ANNA, BERT):
        talk.prepare(say(0, 0, "", each))
    assert talk.runner.idle()
    assert 0 < talk.generator.prefilled < voice / 4
    talk.speak(say(1, 1, "yes", BERT))
    assert talk.computed[-1] == voice + talk.own("yes")
    assert talk.runner.idle()
    assert idle(talk) < voice, "the other is known by now"
    talk.speak(say(2, 2, "yes", ANNA))
    assert talk.computed[-1] == talk.own("yes")
    assert not talk.runner.idle()


def test_voices_push_no_voice_out(
    checkpoint: Path, tmp_path: Path, recordings: dict[str, Tensor], voice: int
) -> None:
    talk = Talk(checkpoint, tmp_path, recordings, cached=2 * voice - 1)
    talk.runner.prepare([ANNA, BERT])
    for each in (ANNA, BERT):
        talk.prepare(say(0, 0, "", each))
    assert idle(talk) == voice


def test_a_voice_that_cannot_be_used_is_said_and_left_out(
    talk: Talk, caplog: pytest.LogCaptureFixture
) -> None:
    missing = voice_of("missing")
    talk.runner.prepare([missing, ANNA])
    for each in (missing, ANNA):
        talk.prepare(say(0, 0, "", each))
    idle(talk)
    assert len(caplog.records) == 1
    assert "missing" in caplog.text
    talk.speak(say(1, 1, "yes", ANNA))
    assert talk.computed[-1] == talk.own("yes")
    talk.recordings["missing"] = talk.recordings["bert"]
    assert talk.speak(say(2, 2, "yes", missing)), "the next that asks tries again"


def test_weights_are_saved_in_quiet_moments_only(
    checkpoint: Path, tmp_path: Path, recordings: dict[str, Tensor]
) -> None:
    made: SimpleQueue[int] = SimpleQueue()
    step: SimpleQueue[None] = SimpleQueue()

    def steps() -> Iterator[None]:
        for number in range(4):
            step.get(timeout=30)
            made.put(number)
            yield

    talk = Talk(checkpoint, tmp_path, recordings, saving=steps())
    step.put(None)
    talk.release(talk.start(say(1, 1, "yes", ANNA)))
    assert made.empty(), "there was no quiet moment yet"
    assert not talk.runner.idle()
    assert made.get(timeout=30) == 0
    talk.release(talk.start(say(2, 2, "yes", ANNA)))
    step.put(None)
    step.put(None)
    first = made.qsize()  # the step that was begun
    assert first <= 1
    for _ in range(2):
        assert not talk.runner.idle()
    assert [made.get(timeout=30) for _ in range(2)] == [1, 2]
    step.put(None)
    assert made.get(timeout=30) == 3
