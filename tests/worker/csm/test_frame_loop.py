"""The loop over slots: frames, faults, stops, beats."""

import math
from dataclasses import replace

import pytest

from tests.worker.csm.house import House, device
from wyoming_csm.worker.csm import frame_loop
from wyoming_csm.worker.csm.frame_loop import FrameLoop
from wyoming_csm.worker.protocol import (
    Audio,
    Begun,
    Done,
    EndReply,
    Failed,
    GpuMemory,
    Preparing,
    Stop,
    Working,
)


@pytest.fixture
def house() -> House:
    return House()


def test_a_sentence_is_made_frame_by_frame(house: House) -> None:
    house.say(1, "abc")
    house.turns(4)
    assert house.sound(1) == [0, 1, 2]
    assert isinstance(done := house.sent[-1], Done)
    assert 0.03 < done.seconds < 0.05
    assert house.runner.is_empty


def test_memory_is_given_back_in_a_second_without_work_and_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[None] = []
    monkeypatch.setattr(frame_loop, "trim_arenas", lambda: given.append(None))
    monkeypatch.setattr(frame_loop, "HEARTBEAT_SECONDS", 0.001)
    house.loop.turn()
    assert len(given) == 1  # what loading left
    house.say(1, "abc")
    for _ in range(4):
        house.loop.turn()
    house.turns(2)
    assert len(given) == 1
    for _ in range(3):
        house.loop.turn()
    assert len(given) == 2


def test_a_late_sentence_joins_at_the_next_frame(house: House) -> None:
    house.say(1, "abcd")
    house.turns(2)
    house.say(2, "ab")
    house.turns(4)
    assert house.steps == [[1], [1], [1, 2], [1, 2], [1, 2]]
    assert (house.sound(1), house.sound(2)) == ([0, 1, 2, 3], [0, 1])
    assert sorted(house.done()) == [1, 2]


def test_more_sentences_than_slots_wait_in_order(house: House) -> None:
    for request in (1, 2, 3, 4):
        house.say(request, "ab")
    for _ in range(12):
        house.turns(1)
        house.clock.now += 0.05
    assert house.done() == [1, 2, 3, 4]
    assert max(len(step) for step in house.steps) == 2
    assert all(house.sound(request) == [0, 1] for request in (1, 2, 3, 4))


def test_stop_ends_a_sentence_before_the_next_frame(house: House) -> None:
    house.say(1, "abcdefgh")
    house.turns(2)
    house.inbox.put(Stop(1))
    house.turns(3)
    assert house.sound(1) == [0, 1]
    assert house.done() == []
    assert house.runner.is_empty


def test_a_waiting_sentence_that_is_stopped_never_begins(house: House) -> None:
    for request in (1, 2, 3):
        house.say(request, "ab")
    house.turns(1)
    house.inbox.put(Stop(3))
    house.turns(5)
    assert house.done() == [1, 2]
    assert all(3 not in step for step in house.steps)


def test_a_fault_of_one_sentence_leaves_the_others(house: House) -> None:
    house.say(1, "abc")
    house.say(2, "bad")
    house.turns(5)
    assert Failed(2, "a bad text") in house.sent
    assert house.sound(1) == [0, 1, 2]
    house.inbox.put(EndReply(1))
    house.say(3, "a")
    house.say(4, "a")
    house.turns(4)
    assert house.done() == [1, 3, 4], "a failed sentence must not hold a slot"


def test_no_other_waits_for_a_voice_that_is_being_prepared(house: House) -> None:
    house.runner.prepared_at[1] = math.inf
    house.say(1, "a")
    house.say(2, "ab")
    house.turns(2)
    assert house.sound(2) == [0, 1]
    assert [one for one in house.sent if isinstance(one, Preparing)] == [Preparing(1)]
    house.runner.prepared_at.clear()
    house.inbox.put(None)
    house.turns(2)
    assert house.sound(1) == [0]


def test_the_end_of_a_reply_reaches_the_runner(house: House) -> None:
    house.inbox.put(EndReply(7))
    house.turns(1)
    assert house.runner.ended == [7]


def test_it_beats_without_work(house: House) -> None:
    house.turns(1)
    assert any(isinstance(message, Working) for message in house.sent)


def test_a_beat_a_second() -> None:
    house = House()
    for _ in range(30):
        house.turns(1)
        house.clock.now += 0.1
    assert sum(isinstance(message, Working) for message in house.sent) == 3


def test_a_long_computation_is_announced_with_a_limit_from_what_was_measured() -> None:
    """As the prompt of a clip on a slow CPU, which takes a minute."""
    house = House(device(each=0.6))
    house.say(1, "ab")
    house.turns(2)
    usual, whole, usual_again = house.limits()
    assert whole == pytest.approx(4 * 60, rel=0.01)
    assert usual == usual_again == pytest.approx(4 * 0.6 * 64, rel=0.01)
    kinds = [type(message) for message in house.sent[:4]]
    assert kinds == [Working, Begun, Working, Audio], "before it, not after"
    assert house.sound(1) == [0, 1]


@pytest.mark.parametrize("least", [10, 15])
def test_no_limit_is_shorter_than_the_least(least: float) -> None:
    house = House(device(each=0.001), least)
    house.say(1, "ab")
    house.turns(2)
    assert set(house.limits()) == {least}


def test_a_frame_ahead_changes_no_sound() -> None:
    house = House(device(ahead=1))
    house.say(1, "abcd")
    house.turns(2)
    house.say(2, "ab")
    house.turns(6)
    assert (house.sound(1), house.sound(2)) == ([0, 1, 2, 3], [0, 1])
    assert sorted(house.done()) == [1, 2]
    assert house.runner.is_empty


def test_a_frame_is_launched_before_the_one_before_it_is_collected() -> None:
    house = House(device(ahead=1))
    house.say(1, "abcd")
    house.turns(3)
    assert (len(house.steps), house.sound(1)) == (3, [0, 1])


def test_the_next_in_a_slot_does_not_get_the_frame_in_flight_there() -> None:
    house = House(device(slots=1, ahead=1))
    house.say(1, "abcdefgh")
    house.turns(3)
    house.inbox.put(Stop(1))
    house.say(2, "abc")
    house.turns(6)
    assert (house.sound(1), house.sound(2)) == ([0, 1], [0, 1, 2])
    assert house.steps.count([1]) == 3, "none was launched after the stop"
    assert house.done() == [2]


def test_memory_that_is_too_full_for_a_step_ends_the_youngest_sentence() -> None:
    house = House(device(slots=3, most=2))
    for request in (1, 2, 3):
        house.say(request, "abcd")
    house.turns(9)
    assert house.failed() == [Failed(3, "no memory")]
    assert sorted(house.done()) == [1, 2]
    assert house.runner.is_empty


def test_a_fault_while_its_prompt_is_read_ends_that_sentence_only(house: House) -> None:
    house.say(1, "abc")
    house.say(2, "long")
    house.turns(6)
    assert house.failed() == [Failed(2, "a long text")]
    assert house.sound(1) == [0, 1, 2]
    assert house.runner.is_empty


def test_idle_work_is_done_step_by_step_and_only_without_sentences() -> None:
    house = House()
    house.runner.idle_steps = 2
    house.say(1, "a")
    house.loop.turn()
    house.loop.turn()
    assert (house.done(), house.runner.idle_steps) == ([1], 2)
    house.loop.turn()
    house.loop.turn()
    assert house.runner.idle_steps == 0, "it did not wait for a message in between"


def test_an_engine_that_was_never_measured_speaks() -> None:
    house = House(replace(device(ahead=1), measured=False))
    house.say(1, "abcd", reply=1)
    house.turns(8)
    house.say(2, "ab", reply=1)
    house.turns(6)
    assert (house.sound(1), house.sound(2)) == ([0, 1, 2, 3], [0, 1])


def test_a_beat_a_second_tells_what_was_taken_of_the_gpus_memory() -> None:
    house, taken = House(), 0

    def gauge() -> GpuMemory:
        nonlocal taken
        taken += 1
        return GpuMemory(taken, 10)

    loop = FrameLoop(house.inbox, house.sent.append, house.runner, house.clock, memory=gauge)
    for _ in range(8):
        house.inbox.put(None)
        loop.turn()
        house.clock.now += 0.25
    told = [message.memory for message in house.sent if isinstance(message, Working)]
    assert told == [GpuMemory(1, 10), GpuMemory(2, 10)], "once a second, no more"
