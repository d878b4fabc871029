"""Recorded voices are heard while nobody speaks, so that their first sentence is quick."""

from pathlib import Path

import pytest
import torch

from tests.tiny_csm import make_tiny_csm
from tests.worker.csm.conversation import Conversation, voice_of
from tests.worker.csm.stages import SPEAKER, prepare
from wyoming_csm.worker.protocol import Say

pytestmark = pytest.mark.usefixtures("thread")

ANNA, BERT = voice_of("anna"), voice_of("bert", speaker="1")


@pytest.fixture
def talk(tmp_path: Path) -> Conversation:
    """Two clips of 20 s."""
    generator = torch.Generator().manual_seed(1)
    codes = {name: torch.randint(128, (250, 8), generator=generator) for name in ("anna", "bert")}
    return Conversation(make_tiny_csm(tmp_path / "csm", codebooks=8), tmp_path, codes)


@pytest.fixture
def voice(talk: Conversation) -> int:
    """Positions of a voice's prompt."""
    return talk.own("the door is open") + 250 + 1


def test_voices_are_heard_before_anybody_asks(talk: Conversation, voice: int) -> None:
    """Piece by piece, while nobody speaks; who comes meanwhile is not held up."""
    talk.stage.prepare([ANNA, SPEAKER, BERT])
    for each in (ANNA, BERT):
        prepare(talk.stage, Say(0, 0, "", "", each))
    talk.computed.append(0)
    assert talk.stage.idle()
    assert 0 < talk.computed[-1] < voice / 4
    talk.speak(Say(1, 1, "", "yes", BERT))
    assert talk.computed[-1] == voice + talk.own("yes")
    talk.computed.append(0)
    pieces = 1
    while talk.stage.idle():
        pieces += 1
    assert pieces > 4
    assert talk.computed[-1] == voice, "the other is known by now"
    talk.speak(Say(2, 2, "", "yes", ANNA))
    assert talk.computed[-1] == talk.own("yes")
    assert not talk.stage.idle()


def test_voices_push_no_voice_out(talk: Conversation, voice: int) -> None:
    talk.stage._kept._limit = talk.stage._kept._position_bytes * (2 * voice - 1)
    talk.stage.prepare([ANNA, BERT])
    for each in (ANNA, BERT):
        prepare(talk.stage, Say(0, 0, "", "", each))
    talk.computed.append(0)
    while talk.stage.idle():
        pass
    assert talk.computed == [voice]


def test_a_voice_that_cannot_be_used_is_said_and_left_out(
    talk: Conversation, caplog: pytest.LogCaptureFixture
) -> None:
    missing = voice_of("missing")
    talk.stage.prepare([missing, ANNA])
    for each in (missing, ANNA):
        prepare(talk.stage, Say(0, 0, "", "", each))
    talk.computed.append(0)
    while talk.stage.idle():
        pass
    assert len(caplog.records) == 1
    assert "missing" in caplog.text
    talk.speak(Say(1, 1, "", "yes", ANNA))
    assert talk.computed[-1] == talk.own("yes")
    talk.recordings["missing"] = talk.recordings["bert"]
    assert talk.speak(Say(2, 2, "", "yes", missing)), "whoever asks tries again"
