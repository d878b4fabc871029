"""The loop over slots, with a stage that only counts."""

from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue

import pytest

from wyoming_csm.errors import EngineError
from wyoming_csm.voices import Voice
from wyoming_csm.worker.frame_loop import Frame, FrameLoop
from wyoming_csm.worker.protocol import (
    Audio,
    Done,
    EndReply,
    Failed,
    FromChild,
    Heartbeat,
    Say,
    Stop,
    ToChild,
)

VOICE = Voice(name="v", language="en", description="", engine="csm")


@dataclass
class CountingStage:
    """A sentence of n characters lasts n frames; frame i of request r is the bytes (r, i)."""

    slots: int = 2
    unprepared: set[int] = field(default_factory=set)
    begun: dict[int, tuple[Say, int]] = field(default_factory=dict)
    steps: list[list[int]] = field(default_factory=list)
    over: list[int] = field(default_factory=list)
    wake: Callable[[], None] | None = None

    def is_prepared(self, say: Say, wake: Callable[[], None]) -> bool:
        self.wake = wake
        return say.request not in self.unprepared

    def begin(self, slot: int, say: Say) -> None:
        assert slot not in self.begun
        if say.text == "bad":
            raise EngineError("a bad text")
        self.begun[slot] = (say, 0)

    def step(self, active: list[int]) -> list[Frame]:
        self.steps.append([self.begun[slot][0].request for slot in active])
        made = []
        for slot in active:
            say, done = self.begun[slot]
            self.begun[slot] = (say, done + 1)
            if done == len(say.text):
                made.append(Frame(b"", last=True, ended=True))
            else:
                made.append(Frame(bytes([say.request, done])))
        return made

    def release(self, slot: int) -> None:
        del self.begun[slot]

    def end_reply(self, reply: int) -> None:
        self.over.append(reply)


class House:
    """A loop, its inbox and everything it sent."""

    def __init__(self, stage: CountingStage) -> None:
        self.inbox: SimpleQueue[ToChild | None] = SimpleQueue()
        self.sent: list[FromChild] = []
        self.stage = stage
        self.loop = FrameLoop(self.inbox, self.sent.append, stage)

    def say(self, request: int, text: str) -> None:
        self.inbox.put(Say(request, request, text, VOICE))

    def turns(self, count: int) -> None:
        for _ in range(count):
            self.inbox.put(None)  # nobody waits a second for a message
            self.loop.turn()

    def sound(self, request: int) -> list[int]:
        return [m.pcm[1] for m in self.sent if isinstance(m, Audio) and m.request == request]

    def done(self) -> list[int]:
        return [m.request for m in self.sent if isinstance(m, Done)]


@pytest.fixture
def house() -> House:
    return House(CountingStage())


def test_a_sentence_is_made_frame_by_frame(house: House) -> None:
    house.say(1, "abc")
    house.turns(4)
    assert house.sound(1) == [0, 1, 2]
    assert house.sent[-1] == Done(1, True)
    assert house.stage.begun == {}


def test_a_late_sentence_joins_at_the_next_frame(house: House) -> None:
    house.say(1, "abcd")
    house.turns(2)
    house.say(2, "ab")
    house.turns(4)
    assert house.stage.steps == [[1], [1], [1, 2], [1, 2], [1, 2]]
    assert (house.sound(1), house.sound(2)) == ([0, 1, 2, 3], [0, 1])
    assert sorted(house.done()) == [1, 2]


def test_more_sentences_than_slots_wait_in_order(house: House) -> None:
    for request in (1, 2, 3, 4):
        house.say(request, "ab")
    house.turns(8)
    assert house.done() == [1, 2, 3, 4]
    assert max(len(step) for step in house.stage.steps) == 2
    assert all(house.sound(request) == [0, 1] for request in (1, 2, 3, 4))


def test_stop_ends_a_sentence_before_the_next_frame(house: House) -> None:
    house.say(1, "abcdefgh")
    house.turns(2)
    house.inbox.put(Stop(1))
    house.turns(3)
    assert house.sound(1) == [0, 1]
    assert house.done() == []
    assert house.stage.begun == {}


def test_a_waiting_sentence_that_is_stopped_never_begins(house: House) -> None:
    for request in (1, 2, 3):
        house.say(request, "ab")
    house.turns(1)
    house.inbox.put(Stop(3))
    house.turns(5)
    assert house.done() == [1, 2]
    assert all(3 not in step for step in house.stage.steps)


def test_a_fault_of_one_sentence_leaves_the_others(house: House) -> None:
    house.say(1, "abc")
    house.say(2, "bad")
    house.turns(5)
    assert Failed(2, "a bad text") in house.sent
    assert house.sound(1) == [0, 1, 2]
    house.say(3, "a")
    house.say(4, "a")
    house.turns(3)
    assert house.done() == [1, 3, 4], "a failed sentence must not keep a slot"


def test_an_unprepared_voice_makes_nobody_wait(house: House) -> None:
    house.stage.unprepared.add(1)
    house.say(1, "a")
    house.say(2, "ab")
    house.turns(2)
    assert house.sound(2) == [0, 1]
    house.stage.unprepared.clear()
    assert house.stage.wake is not None
    house.stage.wake()
    house.turns(2)
    assert house.sound(1) == [0]


def test_the_end_of_a_reply_reaches_the_stage(house: House) -> None:
    house.inbox.put(EndReply(7))
    house.turns(1)
    assert house.stage.over == [7]


def test_it_beats_without_work(house: House) -> None:
    house.turns(1)
    assert any(isinstance(message, Heartbeat) for message in house.sent)
