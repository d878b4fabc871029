"""What is done with speech that goes wrong: made again, sent later, cut; and good speech is left
alone, to the bit."""

import numpy as np
import pytest
import torch

from benchmarks.guarding import TEXTS, Run, Speech, frames_of, pico, run, went_wrong
from tests.worker.csm.runners import say
from wyoming_csm.audio import SAMPLES_PER_FRAME, from_pcm, to_pcm
from wyoming_csm.worker.csm.ending import Ending, Then
from wyoming_csm.worker.csm.guard import LOOK_AHEAD, Guard, Level
from wyoming_csm.worker.csm.usual import Usual, UsualVoices, repeats

SECOND = 12.5  # frames


@pytest.fixture(scope="module")
def speech() -> list[Speech]:
    """Texts that are nearest to going wrong, in three of Pico's voices."""
    return [*pico(("en-US",), TEXTS[::2]), *pico(("de-DE", "it-IT"), TEXTS[::4])]


@pytest.fixture(scope="module")
def good(speech: list[Speech]) -> Speech:
    return next(one for one in speech if one.text.startswith("The light"))


@pytest.fixture(scope="module")
def wrong(good: Speech) -> dict[str, list[bytes]]:
    return went_wrong(good.frames)


def known(good: Speech) -> Usual:
    """A voice that has said that, three times."""
    usual = Usual()
    for _ in range(3):
        run(usual, good.text, [good.frames])
    return usual


@pytest.mark.parametrize("gain", [1.0, 0.05])
def test_good_speech_is_left_alone_to_the_bit(speech: list[Speech], gain: float) -> None:
    """A very soft voice, too; `python -m benchmarks.guarding` does it with 210 sentences."""
    usual: dict[str, Usual] = {}
    late = frames = 0
    for one in speech:
        spoken = [to_pcm(gain * from_pcm(frame)) for frame in one.frames]
        found = run(usual.setdefault(one.voice, Usual()), one.text, [spoken])
        assert (found.sent, found.then, found.tries) == (spoken, Then.ENDED, 1), one.text
        late += found.late[1]
        frames += len(spoken)
    assert late < 0.03 * frames, "silence before the first sound waits, and little else"
    assert all(one.is_known for one in usual.values())


@pytest.mark.parametrize(
    ("kind", "most", "reason"),
    [
        ("silence", 1.6, "fell silent"),
        ("noise", 1.0, "repeated itself"),
        ("hum", 1.0, "repeated itself"),
        ("loud noise", 0.2, "too loud"),
        ("a word again", 3.0, "repeated itself"),
        ("babble", 7.0, "did not end"),
    ],
)
def test_what_goes_on_wrongly_after_speech_is_cut(
    good: Speech, wrong: dict[str, list[bytes]], kind: str, most: float, reason: str
) -> None:
    found = run(Usual(), good.text, [good.frames + wrong[kind]])
    assert found.then is Then.CUT
    assert reason in found.reason
    assert found.tries == 1, "a part was sent"
    assert found.sent[: len(good.frames)] == good.frames
    assert len(found.sent) - len(good.frames) <= most * SECOND
    fades_out(found)


def fades_out(found: Run) -> None:
    last = np.abs(from_pcm(found.sent[-1]))
    assert len(last) == SAMPLES_PER_FRAME
    assert last[-1] < 1e-3


def test_a_voice_that_is_known_gets_less_time(good: Speech, wrong: dict[str, list[bytes]]) -> None:
    endless = good.frames + wrong["babble"]
    new, old = (run(usual, good.text, [endless]) for usual in (Usual(), known(good)))
    assert len(old.sent) < len(new.sent) - SECOND / 2
    slow = [frame for frame in good.frames for _ in range(2)]
    assert len(run(known(good), good.text, [slow]).sent) == len(slow), "half the pace is no fault"


@pytest.mark.parametrize("kind", ["silence", "loud noise"])
def test_what_goes_wrong_before_it_sounds_is_made_again(
    good: Speech, wrong: dict[str, list[bytes]], kind: str
) -> None:
    found = run(Usual(), good.text, [wrong[kind], wrong[kind], good.frames])
    assert (found.sent, found.then, found.tries) == (good.frames, Then.ENDED, 3)
    never = run(Usual(), good.text, [wrong[kind]])
    assert (never.then, never.tries) == (Then.CUT, 3)
    assert len(never.sent) <= LOOK_AHEAD, "silence is nothing at all: another engine speaks"
    assert kind != "silence" or not never.sent


def test_silence_before_the_first_sound_comes_with_it(good: Speech) -> None:
    late = frames_of(bytes(2 * SAMPLES_PER_FRAME * 20)) + good.frames
    found = run(Usual(), good.text, [late])
    assert (found.sent, found.then) == (late, Then.ENDED)


def test_suspicious_sound_waits_for_no_more_than_the_look_ahead(
    good: Speech, wrong: dict[str, list[bytes]]
) -> None:
    ending = Ending(Usual(), good.text, 1000, "sound")
    waiting = 0
    for frame in good.frames + wrong["silence"][:20]:
        waiting += 1 - len(ending.frame(frame).sound)
        assert 0 <= waiting <= LOOK_AHEAD
    assert waiting == LOOK_AHEAD
    assert len(ending.end().sound) == LOOK_AHEAD, "it ended: all of it was well"


def test_without_rules_only_the_limit_counts(good: Speech, wrong: dict[str, list[bytes]]) -> None:
    ending = Ending(Usual(), good.text, 300, "none")
    outcomes = [ending.frame(frame) for frame in wrong["silence"][:300]]
    assert [len(outcome.sound) for outcome in outcomes] == [1] * 300
    assert [outcome.then for outcome in outcomes] == [Then.MORE] * 299 + [Then.CUT]


def test_codes_count_only_where_that_is_asked_for(good: Speech) -> None:
    same = torch.arange(32)
    for rules, expected in (("sound", Level.GOOD), ("codes", Level.BAD)):
        guard = Guard(Usual(), good.text, 1000, rules)  # type: ignore[arg-type]
        levels = [guard.judge(frame, same).level for frame in good.frames[5:20]]
        assert max(levels) is expected


def test_codes_that_are_too_much_alike_are_found_by_what_is_usual(good: Speech) -> None:
    usual = Usual()
    rng = np.random.default_rng(2)
    for alike, expected in ((False, True), (False, True), (False, True), (True, False)):
        guard = Guard(usual, good.text, 1000, "codes")
        levels = []
        for frame in (good.frames * 2)[:60]:
            codes = torch.from_numpy(rng.integers(2048, size=32))
            codes[0] = codes[0] % 4 if alike else codes[0]
            levels.append(guard.judge(frame, codes).level)
        guard.learn()
        assert (max(levels) < Level.BAD) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", 0), ("No, no, NO!", 2), ("One, one, two, one.", 1), ("The light in the hall.", 0)],
)
def test_words_that_follow_themselves_are_counted(text: str, expected: int) -> None:
    assert repeats(text) == expected


def test_voices_are_remembered_apart_and_not_without_end() -> None:
    voices = UsualVoices()
    one = say(1, 1, "").voice
    voices.of(one).learn("Hello there.", 20, -20.0, 0.0)
    assert voices.of(one).sentences == 1
    for number in range(300):
        voice = type(one)(name=str(number), language="en", description="", engine="csm")
        assert voices.of(voice).sentences == 0
    assert voices.of(one).sentences == 0


def test_an_end_before_all_can_have_been_said_is_no_example_for_the_next(good: Speech) -> None:
    """Its pace would make the limit of the voice's next sentences too short for them."""
    usual = known(good)
    sounds = next(number for number, pcm in enumerate(good.frames) if from_pcm(pcm).std() > 0.02)
    for _ in range(3):
        found = run(usual, good.text, [good.frames[: sounds + 3]])
        assert (found.then, found.tries) == (Then.CUT, 1), "a part of it was sent"
    assert run(usual, good.text, [good.frames]).then is Then.ENDED
