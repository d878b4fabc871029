"""A voice's prompt is heard once, a reply hears only what is new, and nobody hears a difference."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.tiny_csm import make_tiny_csm
from tests.worker.csm.conversation import FRAMES, Conversation, voice_of
from tests.worker.csm.stages import SPEAKER
from wyoming_csm.worker.csm.stage import Frame
from wyoming_csm.worker.protocol import Say

pytestmark = pytest.mark.usefixtures("thread")

CLIP_FRAMES = 250  # 20 s
SAMPLING = pytest.mark.parametrize("temperature", [0.0, 0.9], ids=["greedy", "sampled"])
ANNA, BERT = voice_of("anna"), voice_of("bert", speaker="1")
TEXTS = ("turn on the light", "yes", "it is raining, and the heat is on")


@pytest.fixture
def recordings() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        name: torch.randint(128, (CLIP_FRAMES, 8), generator=generator) for name in ("anna", "bert")
    }


@pytest.fixture
def talk(checkpoint: Path, tmp_path: Path, recordings: dict[str, Tensor]) -> Conversation:
    return Conversation(checkpoint, tmp_path, recordings)


@pytest.fixture
def voice(talk: Conversation) -> int:
    """Positions of a voice's prompt."""
    return talk.own("the door is open") + CLIP_FRAMES + 1


def test_a_clip_is_heard_once_and_a_reply_hears_only_what_is_new(
    talk: Conversation, voice: int
) -> None:
    own = [talk.own(text) for text in TEXTS]
    talk.speak(Say(1, 1, "", TEXTS[0], ANNA))
    assert talk.computed == [voice + own[0]]
    talk.speak(Say(2, 2, "", TEXTS[1], ANNA))
    assert talk.computed[1:] == [own[1]], "another reply: only its text"
    for request, reply, text in ((3, 1, 1), (4, 2, 2), (5, 1, 2)):
        talk.speak(Say(request, reply, "", TEXTS[text], ANNA))
        assert talk.computed[-1] == own[text], "a later sentence: only its text"


@SAMPLING
def test_what_is_kept_sounds_as_what_is_heard_anew(
    checkpoint: Path, tmp_path: Path, recordings: dict[str, Tensor], temperature: float
) -> None:
    """Two replies of one voice, one of another and one without a clip, in turns and in pieces."""
    settings: dict[str, Any] = {"temperature": temperature, "depth_temperature": temperature}
    always = Conversation(checkpoint, tmp_path, recordings, **settings)
    never = Conversation(checkpoint, tmp_path, recordings, kept_prompts_mb=0, **settings)
    ahead = Conversation(checkpoint, tmp_path, recordings, ahead=1, **settings)
    turns = [(1, ANNA), (2, ANNA), (1, ANNA), (3, BERT), (2, ANNA), (3, BERT), (4, SPEAKER)]
    turns += [(4, SPEAKER), (1, ANNA)]
    for request, (reply, voice) in enumerate(turns):
        say = Say(request, reply, "", TEXTS[request % 3], voice)
        sound = [
            talk.speak(say, slot=request % 2, positions=positions)
            for talk, positions in ((always, 10_000), (never, 10_000), (ahead, 7))
        ]
        assert [len(frames) for frames in sound] == [FRAMES + 1] * 3
        assert torch.equal(always.codes[-1], never.codes[-1])
        assert torch.equal(ahead.codes[-1], never.codes[-1])
        assert sound[0] == sound[1] == sound[2]
    assert sum(always.computed) < sum(never.computed) / 3
    assert always.computed == ahead.computed


def test_the_least_recently_used_makes_room(
    talk: Conversation, voice: int, recordings: dict[str, Tensor]
) -> None:
    """Room for one voice and a reply: two voices in turns are heard each time."""
    talk.stage._kept._limit = talk.stage._kept._position_bytes * (2 * voice - 1)
    for request, speaker in enumerate((ANNA, ANNA, BERT, ANNA, ANNA)):
        talk.speak(Say(request, request, "", "yes", speaker))
        talk.stage.end_reply(request)
    own = talk.own("yes")
    assert talk.computed == [voice + own, own, voice + own, voice + own, own]


def test_a_reply_that_lost_its_place_hears_it_again(talk: Conversation, voice: int) -> None:
    own = talk.own("yes")
    talk.speak(Say(1, 1, "", "yes", ANNA))
    assert talk.stage._kept.nbytes
    talk.stage._kept.clear()
    talk.speak(Say(2, 1, "", "yes", ANNA))
    assert talk.computed[-1] == voice + own + FRAMES + 1 + own
    talk.speak(Say(3, 1, "", "yes", ANNA))
    assert talk.computed[-1] == own


def test_another_recording_is_another_prompt(
    checkpoint: Path, tmp_path: Path, recordings: dict[str, Tensor]
) -> None:
    clip = tmp_path / "clip"
    clip.write_bytes(b"1")
    voice = voice_of(str(clip))
    talk = Conversation(checkpoint, tmp_path, {str(clip): recordings["anna"]})
    talk.speak(Say(1, 1, "", "yes", voice))
    clip.write_bytes(b"22")
    talk.recordings = {str(clip): recordings["bert"]}
    talk.speak(Say(2, 2, "", "yes", voice))
    assert talk.computed[0] == talk.computed[1]
    fresh = Conversation(checkpoint, tmp_path, {str(clip): recordings["bert"]})
    fresh.speak(Say(1, 1, "", "yes", voice))
    assert torch.equal(talk.codes[1], fresh.codes[0])
    assert not torch.equal(talk.codes[1], talk.codes[0])


@pytest.mark.parametrize("ahead", [0, 1])
def test_who_left_leaves_nothing(
    checkpoint: Path, tmp_path: Path, recordings: dict[str, Tensor], ahead: int
) -> None:
    """Left in the middle, beside another: the reply goes on from where it was, and what was
    launched for who left is nobody's sound, not even of who has that slot now."""
    talk = Conversation(checkpoint, tmp_path, recordings, ahead=ahead)
    alone = Conversation(checkpoint, tmp_path, recordings)
    for each in (talk, alone):
        each.speak(Say(1, 1, "", TEXTS[0], ANNA))
    stage = talk.stage
    while stage._launched:
        stage.collect()
    talk.begin(0, Say(2, 1, "", TEXTS[1], ANNA))
    talk.begin(1, Say(3, 3, "", TEXTS[2], ANNA))
    neighbour = stage._sentences[1]
    for _ in range(1 + ahead):
        stage.launch([0, 1])
    first = stage.collect()
    assert all(frame.pcm for frame in first)
    stage.release(0)
    talk.begin(0, Say(4, 1, "", TEXTS[2], ANNA))
    assert talk.computed[-1] == talk.own(TEXTS[2]), "what was parked before is there still"
    for _ in range(ahead):
        late = stage.collect()
        assert late[0] == Frame(b"")
        assert late[1].pcm
    talk.finish(0)
    talk.finish(1)
    for say in (Say(4, 1, "", TEXTS[2], ANNA), Say(3, 3, "", TEXTS[2], ANNA)):
        alone.speak(say)
    assert torch.equal(torch.stack(neighbour.codes), alone.codes[2])


def test_a_reply_that_ends_gives_its_memory_back(talk: Conversation, voice: int) -> None:
    talk.speak(Say(1, 1, "", "yes", ANNA))
    only_voice = voice * talk.stage._kept._position_bytes
    assert talk.stage._kept.nbytes > only_voice
    talk.speak(Say(2, 1, "", "yes", ANNA))
    talk.stage.end_reply(1)
    assert talk.stage._kept.nbytes == only_voice
    talk.begin(0, Say(3, 3, "", "yes", ANNA))
    talk.stage.end_reply(3)  # while its last sentence is spoken still
    talk.finish(0)
    assert talk.stage._kept.nbytes == only_voice
    talk.stage.end_reply(9)


@pytest.mark.parametrize("ahead", [0, 1])
def test_context_that_no_longer_fits_starts_from_the_voice(
    tmp_path: Path, recordings: dict[str, Tensor], ahead: int
) -> None:
    """And the longest sentence, with what is launched ahead, fits the slot to its last position."""
    small = make_tiny_csm(tmp_path / "small", codebooks=8, positions=340)
    talk = Conversation(small, tmp_path, recordings, ahead=ahead)
    fresh = Conversation(small, tmp_path, recordings, ahead=ahead, kept_prompts_mb=0)
    own, before = talk.own("yes"), 0
    voice = talk.own("the door is open") + CLIP_FRAMES + 1
    kept = []
    for request in range(8):
        say = Say(request, 1, "", "yes", ANNA)
        for each in (talk, fresh):
            each.speak(say)
        assert torch.equal(talk.codes[-1], fresh.codes[-1])
        kept.append(fresh.computed[-1] - talk.computed[-1])
        before = max(before, fresh.computed[-1])
        assert talk.computed[-1] in (own, voice + own, fresh.computed[-1] - voice)
    assert voice in kept[2:], "the voice was kept, the beginning of the reply was not"
    talk.begin(0, Say(9, 1, "", "yes", ANNA))
    limit = talk.stage._sentences[0].limit
    assert before + limit + ahead <= 340
    talk.generator.ends.clear()
    assert len(talk.finish(0)) == limit
