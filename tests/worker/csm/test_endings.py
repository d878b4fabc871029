"""Where sentences end: nearly zeros, too early (then another seed speaks), or by their limit."""

from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

import pytest
import torch

from tests.worker.csm.runners import END, FRAMES, SOME, Sound, Talk, say, voice_of
from wyoming_csm.audio import SAMPLES_PER_FRAME
from wyoming_csm.worker.csm.frame_loop import FrameLoop
from wyoming_csm.worker.csm.runner import another_seed
from wyoming_csm.worker.csm.scheduler import Sentence
from wyoming_csm.worker.csm.usual import frame_limit
from wyoming_csm.worker.protocol import Audio, Done, Failed, FromChild, Say, ToChild

pytestmark = pytest.mark.usefixtures("thread")

ANNA = voice_of("anna")
AHEAD = pytest.mark.parametrize("ahead", [0, 1])
TEXTS = ("turn on the light", "it is raining, and the heat is on")
SEED = 7
_WHOLE = SAMPLES_PER_FRAME * 2  # bytes


@pytest.fixture
def talk(checkpoint: Path, tmp_path: Path) -> Callable[..., Talk]:
    codes = torch.randint(128, (20, 8), generator=torch.Generator().manual_seed(1))

    def make(**settings: object) -> Talk:
        return Talk(checkpoint, tmp_path, {"anna": codes}, **settings)  # type: ignore[arg-type]

    return make


def begin(talk: Talk, slot: int, say: Say, bad_tries: int = 1) -> Sentence:
    """A sentence whose first tries end at their first frame."""
    sentence = talk.start(say, slot)
    seeds = [sentence.seed]
    while len(seeds) < bad_tries:
        seeds.append(another_seed(seeds[-1]))
    talk.generator.bad = {(sentence.positions, seed) for seed in seeds}
    return sentence


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("The door is open.", 4 + 17 * 0.2),
        ("Call 030 1234567 now.", 4 + 12 * 0.75),
        ("NASA, ESA and CERN.", 4 + 12 * 0.75),
        ("+49 %", 4 + 4 * 0.75),
        ("", 4.0),
        ("word " * 2000, 90.0),
        ("1" * 1000, 90.0),
    ],
)
def test_the_limit_counts_digits_and_capitals_as_words(text: str, seconds: float) -> None:
    assert frame_limit(text, 90.0, 10_000) == int(seconds * 12.5)


def test_more_time_for_digits_is_given_as_far_as_there_is_room() -> None:
    text = "1" * 20
    assert frame_limit(text, 90.0, 10_000) == int(19 * 12.5)
    assert frame_limit(text, 90.0, 150) == 150
    assert frame_limit(text, 90.0, -5) == int(8 * 12.5), "what a text of words would get"


def test_an_end_that_misses_a_code_is_the_end(talk: Callable[..., Talk]) -> None:
    nearly = talk()
    nearly.follow(SOME, [0, 0, 0, 9, 0, 0, 0, 0])
    sounds = nearly.speak(say(1, 1, "Hello."))
    assert [len(sound.pcm) for sound in sounds] == [_WHOLE, 0]
    assert sounds[-1].last


@AHEAD
@pytest.mark.parametrize("temperature", [0.0, 0.9], ids=["greedy", "sampled"])
def test_the_second_try_is_what_its_seed_says_alone(
    talk: Callable[..., Talk], ahead: int, temperature: float
) -> None:
    """In codes, in sound and in what the reply's next sentence has before it."""
    settings = {"temperature": temperature, "depth_temperature": temperature}
    troubled = talk(ahead=ahead, seed=SEED, **settings)
    first = begin(troubled, 0, say(1, 1, TEXTS[0], ANNA))
    sounds = troubled.finish(first)
    while troubled.in_flight:
        assert troubled.land() == {}
    alone = talk(seed=another_seed(SEED), **settings)
    expected = alone.start(say(1, 1, TEXTS[0], ANNA))
    assert [len(sound.pcm) for sound in sounds] == [0] * (1 + ahead) + [_WHOLE] * FRAMES + [0]
    assert sounds[1 + ahead :] == alone.finish(expected)
    assert torch.equal(torch.stack(first.codes), torch.stack(expected.codes))
    following = [each.start(say(2, 1, TEXTS[1], ANNA)) for each in (troubled, alone)]
    assert torch.equal(following[0].prompt, following[1].prompt)
    assert troubled.computed[-1] == troubled.own(TEXTS[1]), "the reply so far was cached"


@AHEAD
def test_the_third_try_is_the_last(talk: Callable[..., Talk], ahead: int) -> None:
    troubled = talk(ahead=ahead)
    for bad_tries in (2, 3):
        number = bad_tries
        sentence = begin(troubled, 0, say(number, number, TEXTS[0], ANNA), bad_tries)
        sounds = troubled.finish(sentence)
        assert sounds[: 2 * (1 + ahead)] == [Sound(b"")] * (2 * (1 + ahead))
        assert sounds[-1].last
        assert (len(b"".join(sound.pcm for sound in sounds)) > 0) == (bad_tries == 2)


@AHEAD
def test_the_frame_loop_runs_the_second_try(talk: Callable[..., Talk], ahead: int) -> None:
    """Beside a neighbour; the listener notices nothing but the time."""
    troubled = talk(ahead=ahead)
    troubled.release(begin(troubled, 0, say(1, 1, TEXTS[0], ANNA)))
    inbox: SimpleQueue[ToChild | None] = SimpleQueue()
    sent: list[FromChild] = []
    loop = FrameLoop(inbox, sent.append, troubled.runner)
    for number in (2, 3):
        inbox.put(say(number, number, TEXTS[number - 2], ANNA))
    while sum(isinstance(message, Done) for message in sent) < 2:
        inbox.put(None)  # it waits for no message
        loop.turn()
    assert not any(isinstance(message, Failed) for message in sent)
    for number in (2, 3):
        audio = [m for m in sent if isinstance(m, Audio) and m.sentence == number]
        assert [len(message.pcm) for message in audio] == [_WHOLE] * FRAMES
    assert troubled.generator.ended_early == 1


@AHEAD
@pytest.mark.parametrize("slot", [0, 1])
def test_a_neighbour_notices_nothing_of_it(
    talk: Callable[..., Talk], ahead: int, slot: int
) -> None:
    undisturbed = talk(seed=5)
    undisturbed.speak(say(1, 1, TEXTS[1], ANNA))
    troubled = talk(seed=5, ahead=ahead)
    neighbour = troubled.start(say(1, 1, TEXTS[1], ANNA), 1 - slot)
    bad = begin(troubled, slot, say(2, 2, TEXTS[0], ANNA))
    troubled.finish(neighbour, bad)
    assert torch.equal(torch.stack(neighbour.codes), undisturbed.codes[0])


def test_a_listener_that_leaves_meanwhile_leaves_nothing(talk: Callable[..., Talk]) -> None:
    """Between the end that came too early and the second try; the slot serves another."""
    troubled, fresh = talk(ahead=1), talk()
    sentence = begin(troubled, 0, say(1, 1, TEXTS[0], ANNA))
    assert troubled.step(sentence) == {}
    assert troubled.step(sentence) == {sentence: Sound(b"")}
    troubled.release(sentence)
    assert troubled.land() == {}
    troubled.generator.bad = set()
    for each in (troubled, fresh):
        each.speak(say(2, 2, TEXTS[1], ANNA))
    assert torch.equal(troubled.codes[-1], fresh.codes[-1])


def test_a_second_try_ends_where_the_first_would(talk: Callable[..., Talk]) -> None:
    endless = talk()
    sentence = begin(endless, 0, say(1, 1, TEXTS[0], ANNA))
    endless.follow(*[SOME] * 100, END)
    assert len(endless.finish(sentence)) == 1 + sentence.max_frames
