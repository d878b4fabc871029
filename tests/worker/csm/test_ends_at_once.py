"""A sentence that ends after a frame or two of sound: begun again, and never at the cost of the
first sound."""

from pathlib import Path
from queue import SimpleQueue

import pytest

from benchmarks.guarding import Speech, pico, run
from tests.worker.csm.runners import END, SOME, Talk, say
from tests.worker.csm.test_guarded_engine import Recorded
from wyoming_csm.audio import from_pcm
from wyoming_csm.worker.csm.ending import Ending, Then
from wyoming_csm.worker.csm.frame_loop import FrameLoop
from wyoming_csm.worker.csm.usual import Usual
from wyoming_csm.worker.protocol import Audio, Begun, Done, Failed, FromChild, ToChild

SEED = 7  # of the runner; each sentence of a reply has one more


@pytest.fixture(scope="module")
def good() -> Speech:
    """A sentence that begins with its first sound."""
    speech = next(pico(("en-US",), ("The light in the kitchen was turned on.",)))
    first = next(n for n, pcm in enumerate(speech.frames) if from_pcm(pcm).std() > 0.02)
    return Speech(speech.voice, speech.text, speech.frames[first:])


class Line:
    """The frame loop over a tiny CSM whose sound is recorded; a stopped clock."""

    def __init__(self, talk: Talk) -> None:
        assert isinstance(talk.pipeline, Recorded)
        self.talk, self.pipeline = talk, talk.pipeline
        self.pipeline.played, self.pipeline.recordings = {}, []
        self.inbox: SimpleQueue[ToChild | None] = SimpleQueue()
        self.sent: list[FromChild] = []
        self.launched = 0  # frames, when the sentence's first sound was sent
        self.loop = FrameLoop(self.inbox, self.sent.append, talk.runner, clock=lambda: 100.0)

    def speak(self, number: int, text: str, tries: list[list[bytes]], end: int) -> list[bytes]:
        """Speak a sentence of one reply; all but its last try end after `end` frames."""
        generator = self.talk.generator
        generator.script = dict.fromkeys(range(1_000), SOME)
        generator.script[len(tries[-1])] = END
        self.pipeline.recordings = [list(one) for one in tries]
        self.inbox.put(say(number, 1, text))
        generator.bad, generator.bad_frames, self.launched = set(), end, 0
        turns = 0
        while not any(isinstance(m, Done) and m.sentence == number for m in self.sent):
            self.inbox.put(None)
            self.loop.turn()
            if len(tries) > 1 and any(isinstance(m, Begun) for m in self.sent):
                found = next(iter(generator.tries.values()), None)
                if found is not None and not generator.bad:
                    generator.bad = {found.prompt}
            turns += 1
            assert not any(isinstance(message, Failed) for message in self.sent)
            if not self.launched and self.sound(number):
                self.launched = turns
        return self.sound(number)

    def sound(self, number: int) -> list[bytes]:
        return [m.pcm for m in self.sent if isinstance(m, Audio) and m.sentence == number]


@pytest.fixture(params=[0, 1])
def line(checkpoint: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Line:
    return Line(
        Talk(
            checkpoint,
            tmp_path,
            ahead=request.param,
            pipeline=Recorded,
            guard="sound",
            max_seconds=60.0,
        )
    )


@pytest.mark.usefixtures("thread")
@pytest.mark.parametrize("frames", [1, 2])
def test_a_first_sentence_is_heard_whole_after_all(line: Line, good: Speech, frames: int) -> None:
    """Its first frame is sent as soon as it is there, then it begins anew."""
    blip = good.frames[:frames]
    heard = line.speak(1, good.text, [blip, good.frames], frames)
    assert heard == blip + good.frames
    assert line.launched == 1 + line.talk.runner.ahead, "the first sound waits for nothing"
    assert line.talk.generator.ended_early == 1


@pytest.mark.usefixtures("thread")
@pytest.mark.parametrize("frames", [1, 2])
def test_a_later_sentence_is_heard_as_if_nothing_was(line: Line, good: Speech, frames: int) -> None:
    """The listener has sound of the first one left: two frames wait for the third."""
    assert line.speak(1, good.text, [good.frames], 0) == good.frames
    assert line.launched == 1 + line.talk.runner.ahead
    assert line.speak(2, good.text, [good.frames], 0) == good.frames
    assert line.launched == 3 + line.talk.runner.ahead
    assert line.speak(3, good.text, [good.frames[:frames], good.frames], frames) == good.frames
    assert line.talk.generator.ended_early == 1


def test_silence_before_it_does_not_count(good: Speech) -> None:
    """The door cuts it: ten frames of it are no longer heard than none."""
    lead = [bytes(len(good.frames[0]))] * 10
    found = run(Usual(), good.text, [lead + good.frames[:1], good.frames])
    assert (found.tries, found.then) == (2, Then.ENDED)
    assert found.sent == [*lead, good.frames[0], *good.frames]


def test_three_times_is_enough(good: Speech) -> None:
    for patient in (False, True):
        ending = Ending(Usual(), good.text, 100, "sound", patient)
        outcomes = []
        for _ in range(3):
            ending.frame(good.frames[0])
            outcomes.append(ending.end().then)
        assert outcomes == [Then.AGAIN, Then.AGAIN, Then.CUT]


@pytest.mark.parametrize(
    ("text", "frames", "again"),
    [("Yes.", 1, True), ("Yes.", 2, False), ("On it now.", 1, True), ("...", 1, False)],
)
def test_a_word_takes_two_frames(good: Speech, text: str, frames: int, again: bool) -> None:
    ending = Ending(Usual(), text, 100, "sound")
    for frame in good.frames[:frames]:
        ending.frame(frame)
    assert (ending.end().then is Then.AGAIN) == again


def test_the_patient_wait_for_a_third_frame_of_sound_only(good: Speech) -> None:
    ending = Ending(Usual(), good.text, 100, "sound", patient=True)
    sent = [len(ending.frame(frame).sound) for frame in good.frames[:6]]
    assert sent == [0, 0, 3, 1, 1, 1]


def test_without_rules_nothing_waits(good: Speech) -> None:
    ending = Ending(Usual(), good.text, 100, "none", patient=True)
    assert ending.frame(good.frames[0]).sound == good.frames[:1]
