"""Whose sentence is spoken next: fair between clients, urgent first within one, none lost."""

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import fake_voice
from wyoming_csm.errors import EngineError
from wyoming_csm.worker.fair_queue import PATIENCE_SECONDS, FairQueue
from wyoming_csm.worker.protocol import Say

ANNA = fake_voice("anna")


@dataclass
class Asked:
    say: Say
    deadline: float


def asked(sentence: int, client: str, deadline: float = 0.0) -> Asked:
    return Asked(Say(sentence, sentence, client, "", ANNA), deadline)


def queue_of(*sentences: Asked, most: int = 99) -> FairQueue[Asked]:
    queue: FairQueue[Asked] = FairQueue(most)
    for one in sentences:
        queue.push(one)
    return queue


def one_slot(queue: FairQueue[Asked]) -> list[int]:
    """All that wait, each spoken to its end before the next."""
    order = []
    while (one := queue.pop()) is not None:
        order.append(one.say.sentence)
        queue.ended(one.say.client)
    return order


def test_one_of_b_is_served_as_often_as_many_of_a() -> None:
    many = [asked(number, "a") for number in range(6)]
    few = [asked(number, "b") for number in (10, 11)]
    assert one_slot(queue_of(*many, *few)) == [0, 10, 1, 11, 2, 3, 4, 5]


def test_a_client_with_fewer_being_spoken_comes_first() -> None:
    queue = queue_of(*(asked(number, "a") for number in range(6)))
    for _ in range(4):
        queue.pop()
    queue.push(asked(10, "b"))
    queue.push(asked(11, "b"))
    queue.ended("a")
    assert [(queue.pop() or asked(0, "")).say.sentence for _ in range(3)] == [10, 11, 4]


def test_within_a_client_the_earliest_deadline_then_the_first_that_came() -> None:
    queue = queue_of(asked(1, "a", 2.0), asked(2, "a", 1.0), asked(3, "a", 2.0), asked(4, "a", 0.5))
    assert one_slot(queue) == [4, 2, 1, 3]


def test_one_that_may_not_begin_delays_no_other() -> None:
    queue = queue_of(asked(1, "a"), asked(2, "b"))
    found = queue.pop(lambda one: one.say.sentence != 1)
    assert found is not None
    assert found.say.sentence == 2
    assert queue.pop(lambda _: False) is None
    assert one_slot(queue) == [1]


def test_more_than_may_wait_are_refused() -> None:
    queue = queue_of(asked(1, "a"), asked(2, "b"), most=2)
    with pytest.raises(EngineError, match="2 sentences wait already"):
        queue.push(asked(3, "c"))
    assert one_slot(queue) == [1, 2]


def test_what_is_late_is_told_once_and_waits_on() -> None:
    queue = queue_of(asked(1, "a", 1.0), asked(2, "b", 5.0))
    assert queue.late(1.0 + PATIENCE_SECONDS) == []
    assert [one.say.sentence for one in queue.late(1.1 + PATIENCE_SECONDS)] == [1]
    assert [one.say.sentence for one in queue.late(9.0 + PATIENCE_SECONDS)] == [2]
    assert queue.late(99.0) == []
    assert len(queue) == 2


def test_of_clients_only_the_last_256_are_remembered() -> None:
    queue = queue_of()
    for number in range(257):
        queue.push(asked(number, f"10.0.0.{number}"))
        queue.pop()
        queue.ended(f"10.0.0.{number}")
    for sentence, client in ((1, "10.0.0.0"), (2, "10.0.1.0")):
        queue.push(asked(sentence, client))
    assert one_slot(queue) == [1, 2], "the very first counts as never served, as the newcomer"


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.sampled_from("abcd"), st.floats(0, 9)),
        st.tuples(st.just("pop"), st.just(""), st.just(0.0)),
        st.tuples(st.just("end"), st.just(""), st.floats(0, 1)),
        st.tuples(st.just("remove"), st.just(""), st.floats(0, 1)),
    ),
    max_size=120,
)


@settings(max_examples=200, deadline=None)
@given(events=EVENTS, slots=st.integers(1, 8))
def test_none_is_lost_doubled_or_spoken_after_it_was_taken_back(
    events: list[tuple[str, str, float]], slots: int
) -> None:
    queue = queue_of()
    spoken: list[Asked] = []
    waiting: dict[int, Asked] = {}
    begun: list[int] = []
    for number, (what, client, value) in enumerate(events):
        if what == "push":
            waiting[number] = asked(number, client, value)
            queue.push(waiting[number])
        elif what == "pop" and len(spoken) < slots:
            one = queue.pop()
            assert (one is None) == (not waiting), "a slot is free and a sentence waits"
            if one is not None:
                assert waiting.pop(one.say.sentence) is one
                of = Counter(each.say.client for each in spoken)
                assert of[one.say.client] == min(
                    of[each.say.client] for each in [one, *waiting.values()]
                ), "fair by client within one sentence"
                begun.append(one.say.sentence)
                spoken.append(one)
        elif what == "end" and spoken:
            queue.ended(spoken.pop(int(value * (len(spoken) - 1))).say.client)
        elif what == "remove" and waiting:
            gone = list(waiting)[int(value * (len(waiting) - 1))]
            assert queue.remove(gone) is waiting.pop(gone)
            assert queue.remove(gone) is None
    assert len(queue) == len(waiting)
    assert len(begun) == len(set(begun))
    assert sorted(one_slot(queue)) == sorted(waiting)


@settings(max_examples=100, deadline=None)
@given(counts=st.lists(st.integers(1, 16), min_size=1, max_size=6), slots=st.integers(1, 4))
def test_none_starves(counts: list[int], slots: int) -> None:
    """However many one client asks for, another's next is begun after one of each other."""
    sentences = [asked(100 * c + n, str(c)) for c, count in enumerate(counts) for n in range(count)]
    queue, spoken, served = queue_of(*sentences), [], []
    while (one := queue.pop()) is not None:
        spoken.append(one)
        served.append(one.say.client)
        if len(spoken) == slots:
            queue.ended(spoken.pop(0).say.client)
    for client, count in enumerate(counts):
        at = [number for number, one in enumerate(served) if one == str(client)]
        assert len(at) == count
        gaps = [later - before for before, later in zip([-1, *at], at, strict=False)]
        assert max(gaps) <= len(counts) + slots
