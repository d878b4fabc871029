"""Where sentences end: nearly zeros, too early (then another seed speaks), or by their limit."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.worker.csm.conversation import FRAMES, Conversation, voice_of
from tests.worker.csm.stages import SPEAKER, make_stage, scripted, speak
from wyoming_csm.audio import SAMPLES_PER_FRAME
from wyoming_csm.worker.csm.endings import another_seed, frame_limit
from wyoming_csm.worker.csm.runner import CsmRunner
from wyoming_csm.worker.csm.stage import Frame
from wyoming_csm.worker.protocol import Say

pytestmark = pytest.mark.usefixtures("thread")

ANNA = voice_of("anna")
AHEAD = pytest.mark.parametrize("ahead", [0, 1])
TEXTS = ("turn on the light", "it is raining, and the heat is on")
_WHOLE = SAMPLES_PER_FRAME * 2  # bytes


@pytest.fixture
def talk(checkpoint: Path, tmp_path: Path) -> Callable[..., Conversation]:
    codes = torch.randint(128, (20, 8), generator=torch.Generator().manual_seed(1))

    def make(**settings: object) -> Conversation:
        return Conversation(checkpoint, tmp_path, {"anna": codes}, **settings)  # type: ignore[arg-type]

    return make


def begin(talk: Conversation, slot: int, say: Say, bad_tries: int = 1) -> int:
    """A sentence whose first tries end at their first frame; the seed of the first."""
    talk.begin(slot, say)
    seed = talk.stage._sentences[slot].seed
    tries = [(slot, seed), (slot, another_seed(seed))]
    talk.generator.bad = set(tries[:bad_tries])
    return seed


def frames_of(stage: CsmRunner, active: list[int], wanted: int) -> list[Frame]:
    """As the loop makes them, until the slot's last; each frame of the others beside it."""
    frames: list[Frame] = []
    while not frames or not frames[-1].last:
        stage.launch(active)
        if len(stage._launched) > stage.ahead:
            frames.append(stage.collect()[active.index(wanted)])
    return frames


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
def test_the_limit_counts_digits_and_spelled_letters_as_words(text: str, seconds: float) -> None:
    assert frame_limit(text, 90.0, 10_000) == int(seconds * 12.5)


def test_more_time_for_digits_is_given_as_far_as_there_is_room() -> None:
    text = "1" * 20
    assert frame_limit(text, 90.0, 10_000) == int(19 * 12.5)
    assert frame_limit(text, 90.0, 150) == 150
    assert frame_limit(text, 90.0, -5) == int(8 * 12.5), "what a text of words would get"


def test_an_end_that_misses_a_code_is_the_end(checkpoint: Path, tmp_path: Path) -> None:
    stage = make_stage(checkpoint, tmp_path)
    scripted(stage, [5] * 8, [0, 0, 0, 9, 0, 0, 0, 0])
    frames = speak(stage, Say(1, 1, "", "Hello.", SPEAKER))
    assert [len(frame.pcm) for frame in frames] == [SAMPLES_PER_FRAME * 2, 0]
    assert frames[-1].ended


@AHEAD
@pytest.mark.parametrize("temperature", [0.0, 0.9], ids=["greedy", "sampled"])
def test_the_second_try_is_what_its_seed_says_alone(
    talk: Callable[..., Conversation], ahead: int, temperature: float
) -> None:
    """In codes, in sound and in what the reply's next sentence hears before it."""
    settings = {"temperature": temperature, "depth_temperature": temperature}
    troubled = talk(ahead=ahead, **settings)
    seed = begin(troubled, 0, Say(1, 1, "", TEXTS[0], ANNA))
    frames = frames_of(troubled.stage, [0], 0)
    troubled.stage.release(0)
    while troubled.stage._launched:
        assert troubled.stage.collect() == [Frame(b"")]
    alone = talk(**settings, seed=another_seed(seed))
    expected = alone.speak(Say(1, 1, "", TEXTS[0], ANNA))
    alone.stage._config = troubled.stage._config
    assert [len(frame.pcm) for frame in frames] == [0] * (1 + ahead) + [_WHOLE] * FRAMES + [0]
    assert frames[1 + ahead :] == expected
    assert frames[-1] == Frame(b"", last=True, ended=True)
    following = Say(2, 1, "", TEXTS[1], ANNA)
    for each in (troubled, alone):
        each.speak(following)
    assert torch.equal(troubled.codes[-1], alone.codes[-1])
    assert troubled.computed[-1] == troubled.own(TEXTS[1]), "the reply so far was kept"


@AHEAD
def test_there_is_no_third_try(talk: Callable[..., Conversation], ahead: int) -> None:
    troubled = talk(ahead=ahead)
    begin(troubled, 0, Say(1, 1, "", TEXTS[0], ANNA), bad_tries=2)
    frames = frames_of(troubled.stage, [0], 0)
    assert [frame.pcm for frame in frames] == [b""] * (2 + ahead)
    assert frames[-1] == Frame(b"", last=True, ended=True)


@AHEAD
@pytest.mark.parametrize("slot", [0, 1])
def test_a_neighbour_hears_nothing_of_it(
    talk: Callable[..., Conversation], ahead: int, slot: int
) -> None:
    neighbour, say = 1 - slot, Say(1, 1, "", TEXTS[1], ANNA)
    undisturbed = talk(seed=5)
    undisturbed.speak(say)
    troubled = talk(seed=5, ahead=ahead)
    troubled.begin(neighbour, say)
    begin(troubled, slot, Say(2, 2, "", TEXTS[0], ANNA))
    frames_of(troubled.stage, [0, 1], neighbour)
    codes = troubled.stage._sentences[neighbour].codes
    assert torch.equal(torch.stack(codes), undisturbed.codes[0])


def test_who_leaves_meanwhile_leaves_nothing(talk: Callable[..., Conversation]) -> None:
    """Between the end that came too early and the second try; the slot serves another."""
    troubled, fresh = talk(ahead=1), talk()
    begin(troubled, 0, Say(1, 1, "", TEXTS[0], ANNA))
    for _ in range(2):
        troubled.stage.launch([0])
    assert troubled.stage.collect() == [Frame(b"")]
    troubled.stage.release(0)
    assert troubled.stage.collect() == [Frame(b"")]
    say = Say(2, 2, "", TEXTS[1], ANNA)
    troubled.generator.bad = set()
    for each in (troubled, fresh):
        each.speak(say)
    assert torch.equal(troubled.codes[-1], fresh.codes[-1])
