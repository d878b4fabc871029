"""What was read before is not read again, and makes no difference."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.fixtures.random_csm import make_tiny_csm
from tests.worker.csm.runners import FRAMES, SPEAKER, Talk, as_read_again, say, voice_of

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
def talk(checkpoint: Path, tmp_path: Path, recordings: dict[str, Tensor]) -> Talk:
    return Talk(checkpoint, tmp_path, recordings)


@pytest.fixture
def voice(talk: Talk) -> int:
    """Positions of a voice's prompt."""
    return talk.own("the door is open") + CLIP_FRAMES + 1


def test_a_clip_is_read_once_and_of_a_reply_only_what_is_new(talk: Talk, voice: int) -> None:
    own = [talk.own(text) for text in TEXTS]
    talk.speak(say(1, 1, TEXTS[0], ANNA))
    assert talk.computed == [voice + own[0]]
    talk.speak(say(2, 2, TEXTS[1], ANNA))
    assert talk.computed[1:] == [own[1]], "another reply: only its text"
    for number, reply, text in ((3, 1, 1), (4, 2, 2), (5, 1, 2)):
        talk.speak(say(number, reply, TEXTS[text], ANNA))
        assert talk.computed[-1] == own[text], "a later sentence: only its text"


@SAMPLING
def test_what_is_cached_sounds_as_what_is_read_anew(
    checkpoint: Path, tmp_path: Path, recordings: dict[str, Tensor], temperature: float
) -> None:
    """Two replies of one voice, one of another and one without a clip, in turns and in chunks."""
    settings: dict[str, Any] = {"temperature": temperature, "depth_temperature": temperature}
    always = Talk(checkpoint, tmp_path, recordings, **settings)
    never = Talk(checkpoint, tmp_path, recordings, cached=0, **settings)
    ahead = Talk(checkpoint, tmp_path, recordings, ahead=1, **settings)
    turns = [(1, ANNA), (2, ANNA), (1, ANNA), (3, BERT), (2, ANNA), (3, BERT), (4, SPEAKER)]
    turns += [(4, SPEAKER), (1, ANNA)]
    for number, (reply, voice) in enumerate(turns):
        sound = [
            talk.speak(say(number, reply, TEXTS[number % 3], voice), number % 2, chunk)
            for talk, chunk in ((always, 10_000), (never, 10_000), (ahead, 7))
        ]
        assert [len(frames) for frames in sound] == [FRAMES + 1] * 3
        assert torch.equal(always.codes[-1], never.codes[-1])
        assert torch.equal(ahead.codes[-1], never.codes[-1])
        assert sound[0] == sound[1] == sound[2]
    assert sum(always.computed) < sum(never.computed) / 3
    assert always.computed == ahead.computed


def test_the_least_recently_used_makes_room(
    checkpoint: Path, tmp_path: Path, recordings: dict[str, Tensor], voice: int
) -> None:
    """Room for one voice and a reply: two voices in turns are read each time."""
    talk = Talk(checkpoint, tmp_path, recordings, cached=2 * voice - 1)
    for number, speaker in enumerate((ANNA, ANNA, BERT, ANNA, ANNA)):
        talk.speak(say(number, number, "yes", speaker))
        talk.runner.end_reply(number)
    own = talk.own("yes")
    assert talk.computed == [voice + own, own, voice + own, voice + own, own]


def test_a_reply_that_is_no_longer_cached_is_read_again(talk: Talk, voice: int) -> None:
    own = talk.own("yes")
    talk.speak(say(1, 1, "yes", ANNA))
    assert talk.cache.nbytes
    talk.cache.clear()
    talk.speak(say(2, 1, "yes", ANNA))
    assert talk.computed[-1] == voice + own + FRAMES + 1 + own
    talk.speak(say(3, 1, "yes", ANNA))
    assert talk.computed[-1] == own


def test_another_recording_is_another_prompt(
    checkpoint: Path, tmp_path: Path, recordings: dict[str, Tensor]
) -> None:
    clip = tmp_path / "clip"
    clip.write_bytes(b"1")
    voice = voice_of(str(clip))
    talk = Talk(checkpoint, tmp_path, {str(clip): recordings["anna"]})
    talk.speak(say(1, 1, "yes", voice))
    clip.write_bytes(b"22")
    talk.recordings = {str(clip): recordings["bert"]}
    talk.speak(say(2, 2, "yes", as_read_again(voice)))
    assert talk.computed[0] == talk.computed[1]
    fresh = Talk(checkpoint, tmp_path, {str(clip): recordings["bert"]})
    fresh.speak(say(1, 1, "yes", voice))
    assert torch.equal(talk.codes[1], fresh.codes[0])
    assert not torch.equal(talk.codes[1], talk.codes[0])


@pytest.mark.parametrize("ahead", [0, 1])
def test_a_listener_that_left_leaves_nothing(
    checkpoint: Path, tmp_path: Path, recordings: dict[str, Tensor], ahead: int
) -> None:
    """Left in the middle, beside another: the reply goes on from where it was, and the frame in
    flight is no sound, not even the next listener's in that slot."""
    talk = Talk(checkpoint, tmp_path, recordings, ahead=ahead)
    alone = Talk(checkpoint, tmp_path, recordings)
    for each in (talk, alone):
        each.speak(say(1, 1, TEXTS[0], ANNA))
    while talk.in_flight:
        talk.land()
    leaving = talk.start(say(2, 1, TEXTS[1], ANNA), 0)
    neighbour = talk.start(say(3, 3, TEXTS[2], ANNA), 1)
    for _ in range(1 + ahead):
        first = talk.step(leaving, neighbour)
    assert all(first[one].pcm for one in (leaving, neighbour))
    talk.release(leaving)
    after = talk.start(say(4, 1, TEXTS[2], ANNA), 0)
    assert talk.computed[-1] == talk.own(TEXTS[2]), "what was parked before is there still"
    for _ in range(ahead):
        late = talk.land()
        assert leaving not in late
        assert late[neighbour].pcm
    talk.finish(after)
    talk.finish(neighbour)
    for number, reply in ((4, 1), (3, 3)):
        alone.speak(say(number, reply, TEXTS[2], ANNA))
    assert torch.equal(torch.stack(after.codes), alone.codes[1])
    assert torch.equal(torch.stack(neighbour.codes), alone.codes[2])


def test_a_reply_that_ends_gives_its_memory_back(talk: Talk, voice: int) -> None:
    talk.speak(say(1, 1, "yes", ANNA))
    only_voice = voice * talk.position_bytes
    assert talk.cache.nbytes > only_voice
    talk.speak(say(2, 1, "yes", ANNA))
    talk.runner.end_reply(1)
    assert talk.cache.nbytes == only_voice
    last = talk.start(say(3, 3, "yes", ANNA))
    talk.runner.end_reply(3)  # while its last sentence is spoken still
    talk.finish(last)
    assert talk.cache.nbytes == only_voice
    talk.runner.end_reply(9)


@pytest.mark.parametrize("ahead", [0, 1])
def test_context_that_no_longer_fits_starts_from_the_voice(
    tmp_path: Path, recordings: dict[str, Tensor], ahead: int
) -> None:
    """And the longest sentence, with what is launched ahead, fits the slot to its last position."""
    small = make_tiny_csm(tmp_path / "small", codebooks=8, positions=340)
    talk = Talk(small, tmp_path, recordings, ahead=ahead)
    fresh = Talk(small, tmp_path, recordings, ahead=ahead, cached=0)
    own = talk.own("yes")
    voice = talk.own("the door is open") + CLIP_FRAMES + 1
    saved = []
    for number in range(8):
        for each in (talk, fresh):
            each.speak(say(number, 1, "yes", ANNA))
        assert torch.equal(talk.codes[-1], fresh.codes[-1])
        saved.append(fresh.computed[-1] - talk.computed[-1])
        assert talk.computed[-1] in (own, voice + own, fresh.computed[-1] - voice)
    assert voice in saved[2:], "the voice was cached, the beginning of the reply was not"
    last = talk.start(say(9, 1, "yes", ANNA))
    assert max(fresh.computed) + last.max_frames + ahead <= 340
    talk.follow()
    assert len(talk.finish(last)) == last.max_frames
