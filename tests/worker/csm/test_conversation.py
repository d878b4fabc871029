"""With `conversation` the last replies of a voice are context for the next one to that client: its
prompts are those of the plain definition, bounded, and nothing that went wrong is in them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
import torch
from torch import Tensor

from tests.worker.csm.runners import END, FRAMES, SOME, SPEAKER, Talk, as_read_again, say, voice_of
from wyoming_csm.config import Config, ConversationConfig, parse
from wyoming_csm.engines.child_engine import first_message
from wyoming_csm.errors import EngineError
from wyoming_csm.model.prompt import Segment
from wyoming_csm.voices import Manner, Voice
from wyoming_csm.worker.protocol import Say

pytestmark = pytest.mark.usefixtures("thread")

ANNA, BERT = voice_of("anna"), msgspec.structs.replace(voice_of("bert"), name="bert")
HOUSE = "192.168.1.5"
CLIP_FRAMES = 40

MakeTalk = Callable[..., Talk]


@pytest.fixture
def recordings() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        name: torch.randint(128, (CLIP_FRAMES, 8), generator=generator) for name in ("anna", "bert")
    }


@pytest.fixture
def make(checkpoint: Path, tmp_path: Path, recordings: dict[str, Tensor]) -> MakeTalk:
    def talk(**settings: object) -> Talk:
        return Talk(checkpoint, tmp_path, recordings, **settings)  # type: ignore[arg-type]

    return talk


class House:
    """Speaks replies one after another, and tells what each one's first prompt should be."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.sentences = self.replies = 0

    def next(self, text: str, voice: Voice = ANNA, client: str = HOUSE) -> Say:
        self.sentences += 1
        return msgspec.structs.replace(
            say(self.sentences, self.replies, text, voice), client=client
        )

    def reply(self, *texts: str, voice: Voice = ANNA, client: str = HOUSE) -> list[Segment]:
        """Speak a whole reply; return it as segments."""
        self.replies += 1
        said = []
        for text in texts:
            self.talk.speak(self.next(text, voice, client))
            said.append(Segment(0, text, self.talk.codes[-1]))
        self.talk.runner.end_reply(self.replies)
        return said

    def prompt(self, text: str, voice: Voice = ANNA, client: str = HOUSE) -> Tensor:
        """The prompt of a reply that leaves no trace."""
        self.replies += 1
        sentence = self.talk.start(self.next(text, voice, client))
        self.talk.release(sentence)
        self.talk.runner.end_reply(self.replies)
        return sentence.prompt

    def plain(self, said: Sequence[Segment], text: str, voice: Voice = ANNA) -> Tensor:
        """The prompt by its definition: what was said, each with its codes, then the text."""
        clips = [Segment(0, clip.text, self.talk.recordings[clip.path]) for clip in voice.clips]
        return self.talk.prompts.build((*clips, *said), 0, text)


@pytest.mark.parametrize("cached", [0, 10_000])
def test_the_last_replies_stand_before_the_next(make: MakeTalk, cached: int) -> None:
    """With their text and codes, the oldest first; the third before it is gone."""
    house = House(make(turns=2, cached=cached))
    turns = [
        house.reply("turn on the light", "it is on"),
        house.reply("yes"),
        house.reply("no", "not yet", "later"),
    ]
    said = [segment for turn in turns[1:] for segment in turn]
    assert house.prompt("good night").equal(house.plain(said, "good night"))


def test_within_a_reply_what_was_before_it_stays(make: MakeTalk) -> None:
    """Also when it became old meanwhile, or another reply ended."""
    now = [0.0]
    house = House(make(turns=1, seconds=60.0, clock=lambda: now[0]))
    first = house.reply("yes")
    house.replies = mine = 2
    house.talk.speak(house.next("it is raining"))
    own = Segment(0, "it is raining", house.talk.codes[-1])
    now[0] = 100.0
    house.reply("no")
    house.replies = mine
    sentence = house.talk.start(house.next("and cold"))
    assert sentence.prompt.equal(house.plain([*first, own], "and cold"))


def test_off_is_the_voice_alone(make: MakeTalk) -> None:
    """Which is the default; then the sound is the same as with nobody else in the house."""
    assert Config().conversation.turns == 0
    house, alone = House(make()), House(make())
    house.reply("turn on the light", "it is on")
    assert house.prompt("yes").equal(house.plain([], "yes"))
    cached = house.talk.cache.nbytes
    assert cached == (house.talk.own("the door is open") + CLIP_FRAMES + 1) * (
        house.talk.position_bytes
    ), "of a reply that ended nothing is cached"
    heard = [each.talk.speak(each.next("it is raining")) for each in (house, alone)]
    assert heard[0] == heard[1]


def test_each_voice_and_each_client_has_its_own(make: MakeTalk) -> None:
    """A preset is a voice, too: it may be slow and calm where its voice is not."""
    house = House(make(turns=3))
    said = house.reply("yes")
    calm = msgspec.structs.replace(ANNA, manner=Manner(pause=1.0))
    for voice, client in ((BERT, HOUSE), (calm, HOUSE), (ANNA, "192.168.1.6")):
        assert house.prompt("no", voice, client).equal(house.plain([], "no", voice))
    assert house.prompt("no").equal(house.plain(said, "no"))


def test_replies_that_ended_too_long_ago_are_gone(make: MakeTalk) -> None:
    now = [0.0]
    house = House(make(turns=5, seconds=60.0, clock=lambda: now[0]))
    house.reply("yes")
    now[0] = 50.0
    second = house.reply("no")
    now[0] = 70.0
    assert house.prompt("maybe").equal(house.plain(second, "maybe"))
    now[0] = 111.0
    assert house.prompt("maybe").equal(house.plain([], "maybe"))
    voice = house.talk.own("the door is open") + CLIP_FRAMES + 1
    assert house.talk.cache.nbytes == voice * house.talk.position_bytes, "nor is it cached"


def test_they_take_half_of_what_the_voice_leaves_of_a_slot(make: MakeTalk) -> None:
    """The oldest go first, whole; a sentence that is alone too long for it is not there."""
    talk = make(turns=20, context_positions=256)
    house = House(talk)
    voice = talk.own("the door is open") + CLIP_FRAMES + 1
    turn = talk.own("yes") + FRAMES + 1
    fit = (256 - voice) // 2 // turn
    assert 2 < fit < 12
    said = [segment for _ in range(fit + 2) for segment in house.reply("yes")]
    assert house.prompt("no").equal(house.plain(said[-fit:], "no"))


def test_a_reply_counts_for_its_newest_seconds(make: MakeTalk) -> None:
    """Those that count within it: csm.context_seconds."""
    house = House(make(turns=1, context_seconds=1.0))
    said = house.reply("yes", "no", "maybe")
    assert house.prompt("now").equal(house.plain(said[-1:], "now"))


@pytest.mark.parametrize("how", ["cut", "stopped", "failed"])
@pytest.mark.parametrize("where", ["first", "last"])
def test_a_reply_with_a_sentence_that_went_wrong_is_forgotten(
    make: MakeTalk, recordings: dict[str, Tensor], how: str, where: str
) -> None:
    """All of it, wherever that was; the replies before it stay."""
    talk = make(turns=3)
    house = House(talk)
    good = house.reply("yes")
    house.replies += 1
    if where == "last":
        talk.speak(house.next("so far so good"))
    if how == "cut":
        endings, talk.generator.script = talk.generator.script, dict(enumerate([SOME] * 100))
        talk.speak(house.next("it never ends"))
        talk.generator.script = endings
    elif how == "stopped":
        sentence = talk.start(house.next("the listener leaves"))
        talk.step(sentence)
        talk.release(sentence)
    else:
        with pytest.raises(EngineError):
            talk.start(house.next("far too long " * 500))
    if where == "first":
        talk.speak(house.next("and on"))
    talk.runner.end_reply(house.replies)
    assert house.prompt("no").equal(house.plain(good, "no"))


def test_another_recording_is_another_conversation(
    make: MakeTalk, tmp_path: Path, recordings: dict[str, Tensor]
) -> None:
    """What was said in the old voice would drag it along."""
    clip = tmp_path / "clip"
    clip.write_bytes(b"1")
    recordings[str(clip)] = recordings["anna"]
    voice = voice_of(str(clip))
    house = House(make(turns=3))
    house.reply("yes", voice=voice)
    clip.write_bytes(b"22")
    recordings[str(clip)] = recordings["bert"]
    voice = as_read_again(voice)
    said = house.reply("no", voice=voice)
    assert house.prompt("maybe", voice).equal(house.plain(said, "maybe", voice))


def test_a_voice_without_a_clip_has_one_too(make: MakeTalk) -> None:
    house = House(make(turns=1))
    said = house.reply("yes", voice=SPEAKER)
    assert house.prompt("no", SPEAKER).equal(house.plain(said, "no", SPEAKER))


def test_only_the_text_is_read_as_long_as_nothing_is_dropped(make: MakeTalk) -> None:
    house = House(make(turns=10))
    house.reply("yes")
    for text in ("no", "maybe", "later"):
        house.reply(text)
        assert house.talk.computed[-1] == house.talk.own(text)


def test_what_comes_after_a_dropped_one_is_read_in_idle_moments(make: MakeTalk) -> None:
    """And is dropped from the cache in its turn."""
    talk = make(turns=2)
    house = House(talk)
    voice = talk.own("the door is open") + CLIP_FRAMES + 1
    turn = talk.own("yes") + FRAMES + 1
    for _ in range(5):
        house.reply("yes")
        while talk.runner.idle():
            pass
        assert talk.cache.nbytes <= (2 * voice + 2 * turn) * talk.position_bytes
    talk.speak(house.next("no"))
    assert talk.computed[1:] == [talk.own("yes")] * 4 + [talk.own("no")]
    busy = House(make(turns=2))
    for _ in range(3):
        busy.reply("yes")
    busy.reply("no")
    assert busy.talk.computed[-1] == 2 * turn + talk.own("no"), "the voice was cached"


def test_what_is_cached_sounds_as_what_is_read_anew(make: MakeTalk) -> None:
    always, never = House(make(turns=2)), House(make(turns=2, cached=0))
    for number, text in enumerate(("yes", "no", "it is raining", "later")):
        said = [house.reply(text, "and then", voice=ANNA) for house in (always, never)]
        for one, other in zip(*said, strict=True):
            assert one.codes is not None
            assert other.codes is not None
            assert torch.equal(one.codes, other.codes), number


def test_replies_at_the_same_time_come_in_the_order_of_their_ends(make: MakeTalk) -> None:
    talk = make(turns=2)
    house = House(talk)
    spoken = {}
    for reply in (1, 2):
        house.replies = reply
        talk.speak(house.next(f"number {reply}"))
        spoken[reply] = Segment(0, f"number {reply}", talk.codes[-1])
    for reply in (2, 1):
        talk.runner.end_reply(reply)
    house.replies = 2
    assert house.prompt("no").equal(house.plain([spoken[2], spoken[1]], "no"))


def test_a_crowd_of_clients_has_the_newest_conversations_only(make: MakeTalk) -> None:
    house = House(make(turns=1))
    house.talk.follow(SOME, END)
    house.reply("yes", client="first")
    for number in range(32):
        last = house.reply("yes", client=f"client {number}")
    assert house.prompt("no", client="first").equal(house.plain([], "no"))
    assert house.prompt("no", client="client 31").equal(house.plain(last, "no"))


def test_the_setting_reaches_the_child() -> None:
    config = parse({"conversation": {"turns": 3, "seconds": 60}})
    sent = first_message(config, "csm").conversation
    assert msgspec.convert(sent, ConversationConfig) == ConversationConfig(turns=3, seconds=60.0)


def test_what_goes_on_from_a_reply_before_is_not_stored(make: MakeTalk) -> None:
    """Said again, it would go on from something that nobody said."""
    house = House(make(turns=1))
    stored = []
    for _ in range(2):
        house.replies += 1
        sentence = house.talk.start(house.next("it is on"))
        house.talk.finish(sentence)
        stored.append((sentence.whole, bool(sentence.frames)))
        house.talk.runner.end_reply(house.replies)
    assert stored == [(True, True), (False, False)]
