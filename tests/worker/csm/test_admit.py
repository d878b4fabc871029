"""Who gets a slot, who waits, who is refused."""

from tests.worker.csm.counting import CountingStage, House
from wyoming_csm.worker.csm.frame_loop import PATIENCE_SECONDS, QUEUE
from wyoming_csm.worker.protocol import EndReply, Failed


def test_no_more_are_admitted_than_real_time_allows() -> None:
    house = House(CountingStage(slots=4, step=0.03))
    for request in (1, 2, 3):
        house.say(request, "abcdef")
    house.turns(4)
    assert house.stage.steps[-1] == [1, 2], "three would take 90 ms"


def test_one_is_admitted_however_slow_the_engine_is() -> None:
    house = House(CountingStage(slots=4, step=9.0))
    house.say(1, "ab")
    house.turns(4)
    assert house.done() == [1]


def test_a_replys_next_sentence_goes_before_a_new_reply() -> None:
    house = House(CountingStage(slots=1))
    house.say(1, "ab", reply=7)
    house.turns(1)
    house.say(2, "ab", reply=8)
    house.turns(2)
    assert house.done() == [1]
    house.say(3, "ab", reply=7)
    house.turns(3)
    assert house.done() == [1, 3]
    house.inbox.put(EndReply(7))
    house.turns(3)
    assert house.done() == [1, 3, 2]


def test_a_replys_place_is_not_kept_for_long() -> None:
    house = House(CountingStage(slots=1))
    house.say(1, "ab", reply=7)
    house.say(2, "ab", reply=8)
    house.turns(4)
    assert house.stage.steps[-1] == [1]
    house.stage.now += 0.11
    house.turns(1)
    assert house.stage.steps[-1] == [2]


def test_who_waited_too_long_is_refused() -> None:
    house = House(CountingStage(slots=1))
    house.say(1, "x" * 100)
    house.say(2, "ab")
    house.turns(2)
    house.stage.now += PATIENCE_SECONDS
    house.turns(1)
    assert house.failed() == []
    house.stage.now += 1.1
    house.turns(1)
    assert house.failed() == [Failed(2, "no place came free in 11 s")]


def test_a_voice_may_take_longer_to_prepare_than_a_place_to_come_free() -> None:
    house = House(CountingStage())
    house.stage.unprepared.add(1)
    house.say(1, "ab")
    for _ in range(9):
        house.turns(1)
        house.stage.now += PATIENCE_SECONDS / 2
    house.stage.unprepared.clear()
    house.turns(3)
    assert house.done() == [1]


def test_the_wait_for_a_voice_is_not_the_wait_for_a_place() -> None:
    house = House(CountingStage(slots=1))
    house.stage.unprepared.add(1)
    house.say(1, "ab")
    house.turns(1)
    house.stage.now += 5 * PATIENCE_SECONDS
    house.turns(1)
    house.say(2, "x" * 100)
    house.turns(2)
    house.stage.unprepared.clear()
    house.turns(2)
    assert house.failed() == []


def test_a_reply_whose_text_stalled_waits_as_long_as_others() -> None:
    house = House(CountingStage(slots=1))
    house.say(1, "ab", reply=7)
    house.turns(4)
    house.stage.now += 5 * PATIENCE_SECONDS
    house.say(2, "x" * 100, reply=8)
    house.turns(1)
    house.say(3, "ab", reply=7)
    house.turns(2)
    assert house.failed() == []


def test_the_queue_is_bounded() -> None:
    house = House(CountingStage())
    for request in range(1, QUEUE + 5):
        house.say(request, "ab")
    house.turns(1)
    assert house.failed() == [
        Failed(request, f"{QUEUE + 2} sentences wait already") for request in (QUEUE + 3, QUEUE + 4)
    ]
