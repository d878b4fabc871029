"""Which sentence gets a slot, which waits, which is late, which is refused."""

import math

from tests.worker.csm.house import House, device
from wyoming_csm.worker.fair_queue import MOST_WAITING, PATIENCE_SECONDS
from wyoming_csm.worker.protocol import Failed


def test_no_more_are_admitted_than_real_time_allows() -> None:
    house = House(device(slots=4, step=0.03))
    for request in (1, 2, 3):
        house.say(request, "abcdef")
    house.turns(4)
    assert house.steps[-1] == [1, 2], "three would take 90 ms"


def test_one_is_admitted_however_slow_the_engine_is() -> None:
    house = House(device(slots=4, step=9.0))
    house.say(1, "ab")
    house.turns(4)
    assert house.done() == [1]


def test_a_slot_goes_to_the_client_that_was_served_the_longest_ago() -> None:
    house = House(device(slots=1))
    house.say(1, "ab", client="a")
    house.say(2, "ab", client="a")
    house.turns(1)
    house.say(3, "ab", client="b")
    house.turns(8)
    assert house.done() == [1, 3, 2]
    assert house.begun() == [1, 3, 2]


def test_of_one_client_the_most_urgent_listener_goes_first() -> None:
    """A listener whose buffer is empty waits less than one that has had no sound yet."""
    house = House(device(slots=1))
    house.say(1, "a", reply=7)
    house.turns(2)
    house.say(2, "ab", reply=8)
    house.turns(1)
    house.say(3, "ab", reply=9)
    house.say(4, "ab", reply=7)
    house.turns(8)
    assert house.done() == [1, 2, 4, 3]


def test_of_one_that_waits_too_long_the_engine_is_told_once_and_it_waits_on() -> None:
    house = House(device(slots=1))
    house.say(1, "x" * 100)
    house.say(2, "ab")
    house.turns(2)
    house.clock.now += PATIENCE_SECONDS
    house.turns(1)
    assert house.late() == []
    house.clock.now += 1.1
    house.turns(2)
    assert house.late() == [2]
    house.turns(110)
    assert (house.late(), house.done(), house.failed()) == ([2], [1, 2], [])


def test_a_voice_may_take_longer_to_prepare_than_a_slot_to_come_free() -> None:
    house = House()
    house.runner.prepared_at[1] = math.inf
    house.say(1, "ab")
    for _ in range(9):
        house.turns(1)
        house.clock.now += PATIENCE_SECONDS / 2
    house.runner.prepared_at.clear()
    house.turns(3)
    assert house.done() == [1]


def test_the_wait_for_a_voice_is_not_the_wait_for_a_slot() -> None:
    house = House(device(slots=1))
    house.runner.prepared_at[1] = math.inf
    house.say(1, "ab")
    house.turns(1)
    house.clock.now += 5 * PATIENCE_SECONDS
    house.turns(1)
    house.say(2, "x" * 100)
    house.turns(2)
    house.runner.prepared_at.clear()
    house.turns(2)
    assert house.late() == []


def test_a_reply_whose_text_stalled_waits_as_long_as_others() -> None:
    house = House(device(slots=1))
    house.say(1, "ab", reply=7)
    house.turns(4)
    house.clock.now += 5 * PATIENCE_SECONDS
    house.say(2, "x" * 100, reply=8)
    house.turns(1)
    house.say(3, "ab", reply=7)
    house.turns(2)
    assert house.late() == []


def test_the_queue_is_bounded() -> None:
    house = House()
    for request in range(1, MOST_WAITING + 5):
        house.say(request, "ab")
    house.turns(1)
    assert house.failed() == [
        Failed(request, f"{MOST_WAITING + 2} sentences wait already")
        for request in (MOST_WAITING + 3, MOST_WAITING + 4)
    ]
