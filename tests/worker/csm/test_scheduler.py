"""The scheduler by itself: what it plans, and what it takes for the device's time."""

import pytest

from benchmarks.simulation import VOICE
from wyoming_csm.worker.csm.cost import FRAME_SECONDS
from wyoming_csm.worker.csm.scheduler import Scheduler, Sentence
from wyoming_csm.worker.protocol import Say


def step(n: int) -> float:
    return 0.010 + 0.006 * n


def prefill(positions: int) -> float:
    return 0.030 + 0.0001 * positions


def begun(scheduler: Scheduler, number: int, now: float, positions: int = 100) -> Sentence:
    """A sentence that has a slot."""
    scheduler.add(Say(number, number, str(number), "", VOICE), now)
    (sentence,) = scheduler.admit(now)
    sentence.positions = positions
    return sentence


def listened(scheduler: Scheduler, late: float = 0.0) -> tuple[Sentence, float]:
    """A sentence with a second frame in flight, at the time at which the first was sent."""
    sentence = begun(scheduler, 1, 100.0, positions=1)
    first, _ = scheduler.plan(100.0), scheduler.plan(100.0)
    now = 100.0 + scheduler.turn_seconds(1) + late
    scheduler.landed(first, now)
    scheduler.sounded(sentence, now)
    return sentence, now


def test_alone_a_whole_prompt_is_read_and_speaks_in_the_same_step() -> None:
    scheduler = Scheduler(2, step, prefill, lambda _: True)
    sentence = begun(scheduler, 1, 100.0, positions=3000)
    planned = scheduler.plan(100.0)
    assert (planned.prefill, planned.decode) == ((sentence, 0, 3000), [sentence])


def test_beside_a_listener_a_chunk_is_as_long_as_its_buffer_allows() -> None:
    """It has 80 ms of sound from the first frame and as much from the one in flight: 160 ms, less
    22 for a step of both, less 10 to spare, and less the 16 of the step in flight, for which the
    device is busy: 112, where a chunk takes 30 + 6.4 ms."""
    scheduler = Scheduler(2, step, prefill, lambda _: True)
    first, now = listened(scheduler)
    newcomer = begun(scheduler, 2, now, positions=3000)
    planned = scheduler.plan(now)
    assert planned.prefill == (newcomer, 0, 12 * 64)
    assert 0.112 - 0.0064 < prefill(12 * 64) <= 0.112
    assert planned.decode == [first]


def test_where_there_is_no_time_a_prompt_waits_for_half_a_second() -> None:
    scheduler = Scheduler(2, lambda n: 0.070, lambda positions: positions / 1000, lambda _: True)
    _, now = listened(scheduler)
    newcomer = begun(scheduler, 2, now, positions=3000)
    assert scheduler.plan(now + 0.4).prefill is None
    assert scheduler.plan(now + 0.5).prefill == (newcomer, 0, 64)


def test_a_step_that_is_there_late_moves_the_one_launched_behind_it() -> None:
    """The device is busy with that one for as long as if the first had been in time, and the
    buffer is as full: it began to play with the first."""
    chunks = []
    for late in (0.0, 0.03):
        scheduler = Scheduler(2, step, prefill, lambda _: True)
        _, now = listened(scheduler, late)
        newcomer = begun(scheduler, 2, now, positions=3000)
        chunks.append(scheduler.plan(now).prefill)
        assert chunks[-1] is not None
        assert chunks[-1][0] is newcomer
    assert [end for _, _, end in filter(None, chunks)] == [12 * 64] * 2


def test_a_listener_whose_buffer_ran_empty_plays_on_from_the_next_frame() -> None:
    scheduler = Scheduler(1, step, prefill, lambda _: True)
    sentence = begun(scheduler, 1, 100.0)
    scheduler.sounded(sentence, 101.0)
    scheduler.sounded(sentence, 101.0)
    assert sentence.deadline == pytest.approx(101.0 + 2 * FRAME_SECONDS)
    scheduler.sounded(sentence, 105.0)
    assert sentence.deadline == pytest.approx(105.0 + FRAME_SECONDS)


def test_a_frame_that_is_played_slower_or_faster_fills_the_buffer_for_longer_or_shorter() -> None:
    scheduler = Scheduler(2, step, prefill, lambda _: True)
    for number, stretch in ((1, 2.0), (2, 0.5)):
        scheduler.add(Say(number, number, str(number), "", VOICE, stretch=stretch), 100.0)
    for sentence in scheduler.admit(100.0):
        stretch = sentence.say.stretch
        for _ in range(2):
            scheduler.sounded(sentence, 101.0)
        assert sentence.deadline == pytest.approx(101.0 + 2 * FRAME_SECONDS / stretch)


def test_a_sentence_that_waits_is_stopped_and_never_begins() -> None:
    scheduler = Scheduler(1, step, prefill, lambda _: True)
    first = begun(scheduler, 1, 100.0)
    scheduler.add(Say(2, 2, "", "", VOICE), 100.0)
    assert scheduler.stop(2) is None
    assert scheduler.stop(1) is first
    scheduler.leave(first)
    assert list(scheduler.admit(100.0)) == []
    assert scheduler.is_idle
