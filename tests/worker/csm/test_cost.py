"""What steps and prefills cost, learned from a few, and what there is time for."""

import math
import random
from dataclasses import dataclass

import pytest

from wyoming_csm.worker.csm.cost import (
    PREFILL_CHUNK,
    PrefillPace,
    StepPace,
    capacity,
    how_many,
    longest_chunk,
    slack,
)


def cost(n: int) -> float:
    return 0.010 + 0.006 * n


def test_capacity_is_what_real_time_allows() -> None:
    assert capacity(8, cost) == 8
    assert capacity(16, cost) == 11
    assert capacity(8, lambda n: 0.010 + 0.014 * n) == 4
    assert capacity(8, lambda n: 0.3) == 1
    assert capacity(8, lambda n: 0.04 if n in (1, 2, 4) else math.inf) == 4


def test_the_pace_follows_what_steps_take() -> None:
    pace = StepPace(cost)
    assert pace.fits(8)
    for _ in range(50):
        pace.observe(8, 1.5 * cost(8), 0.1, pure=True)
    assert pace.cost(8) == pytest.approx(1.5 * cost(8), rel=0.01)
    assert not pace.fits(8)
    assert pace.fits(6)


def test_one_step_that_took_for_ever_is_forgotten() -> None:
    pace = StepPace(cost)
    pace.observe(8, 3_600.0, 3_600.0, pure=True)
    for _ in range(30):
        pace.observe(8, cost(8), cost(8), pure=True)
    assert pace.fits(8)


def test_prompts_take_their_share_of_real_time() -> None:
    pace = StepPace(cost)
    for _ in range(50):
        pace.observe(7, cost(7), cost(7), pure=True)
        pace.observe(7, cost(7) + 0.1, cost(7) + 0.1, pure=False)
    assert pace.cost(7) == pytest.approx(cost(7))
    assert not pace.fits(8)
    assert pace.fits(1)
    pace.observe(1, cost(1), 10.0, pure=True)
    assert pace.fits(8), "the newcomers of ten seconds ago are no load"


def test_what_was_never_measured_fits_one() -> None:
    pace = StepPace(lambda n: math.inf)
    pace.observe(1, 0.02, 0.02, pure=True)
    assert pace.cost(1) == 0.0
    assert pace.fits(1)
    assert not pace.fits(2)


def test_a_constant_and_so_much_a_position_are_found() -> None:
    pace = PrefillPace()
    assert pace.seconds(100) == 0
    for positions in (8, 8, 64):
        pace.observe(positions, 0.03 + 1e-4 * positions)
    for positions in (1, 30, 300):
        assert pace.seconds(positions) == pytest.approx(0.03 + 1e-4 * positions, rel=0.1)


def test_prefills_of_one_length_leave_what_a_position_costs() -> None:
    pace = PrefillPace()
    for positions in (8, 8, 64, *[20] * 100):
        pace.observe(positions, 0.03 + 1e-4 * positions)
    for positions in (1, 300):
        assert pace.seconds(positions) == pytest.approx(0.03 + 1e-4 * positions, rel=0.1)


def test_it_follows_a_device_that_others_slow_down() -> None:
    rng = random.Random(0)
    pace = PrefillPace()
    for factor in (1, 2):
        for _ in range(40):
            positions = rng.choice((10, 40, 300))
            seconds = (0.02 + 1e-4 * positions) * rng.uniform(0.98, 1.02)
            pace.observe(positions, factor * seconds)
        assert pace.seconds(300) == pytest.approx(factor * 0.05, rel=0.15)


def test_what_runs_inside_is_measured() -> None:
    pace = PrefillPace()
    with pace.measured(4):
        sum(range(100_000))
    once = pace.seconds(4)
    assert once > 0
    with pytest.raises(ValueError), pace.measured(4):  # noqa: PT011
        raise ValueError
    assert pace.seconds(4) == once, "one that failed tells nothing"


@dataclass
class Mark:
    """An event at a time in milliseconds, which the device may not have come to."""

    at: float
    passed: bool = False

    def query(self) -> bool:
        return self.passed

    def elapsed_time(self, end_event: "Mark") -> float:
        return end_event.at - self.at


def test_a_device_that_works_behind_is_not_waited_for() -> None:
    begin, end = Mark(100.0), Mark(150.0)
    marks = iter((begin, end))
    pace = PrefillPace(lambda: next(marks))
    with pace.measured(4):
        pass
    assert pace.seconds(4) == 0, "the device is not there yet"
    begin.passed = end.passed = True
    assert pace.seconds(4) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("deadlines", "n"),
    [
        ([0.1, 0.1, 0.1], 3),  # there is time for all
        ([0.032, 0.5, 0.5], 2),  # 28 ms for all and 5 to spare are too long for the first
        ([0.026, 0.5, 0.5], 1),
        ([0.026, 0.04, 0.04], 3),  # the others cannot wait: all, late or not
        ([-1.0, 0.1, 0.1], 3),  # one that is late anyway makes no other wait
        ([-1.0, 0.032, 0.5], 2),
        ([-1.0], 1),
        ([-1.0, -1.0, 9.0], 3),
        ([0.0, 0.03, 9.0], 2),  # late, and 9 s ahead
    ],
)
def test_how_many_step(deadlines: list[float], n: int) -> None:
    assert how_many([100 + deadline for deadline in deadlines], 100.0, cost) == n


def test_slack_is_what_is_left_before_one_is_late() -> None:
    assert slack([], 100.0, cost) == math.inf
    assert slack([100.1], 100.0, cost) == pytest.approx(0.1 - 0.016 - 0.01)
    assert slack([100.1, 100.1], 100.0, cost) == pytest.approx(0.1 - 0.022 - 0.01)
    assert slack([100.1, 109.0], 100.0, cost) == pytest.approx(0.1 - 0.016 - 0.01)
    assert slack([100.1, 100.2], 100.0, cost) == pytest.approx(0.1 - 0.016 - 0.01)
    assert slack([100.0], 100.0, cost) < 0


@pytest.mark.parametrize("deadlines", [[0.2, 0.2, 0.3], [0.06, 0.12, 0.4], [0.05, 0.3, 0.31, 0.32]])
def test_after_a_pause_of_the_slack_none_is_late(deadlines: list[float]) -> None:
    ready, left = slack(deadlines, 0.0, cost), list(deadlines)
    assert ready > 0
    while left:
        n = how_many(left, ready, cost)
        ready += cost(n)
        assert ready < left[0]
        left = left[n:]


def test_a_chunk_of_a_prompt_fits_into_the_time_there_is() -> None:
    def prefill(positions: int) -> float:
        return 0.03 + 0.0001 * positions

    assert longest_chunk(0.036, prefill) == 0
    assert longest_chunk(0.037, prefill) == PREFILL_CHUNK
    assert longest_chunk(0.074, prefill) == 6 * PREFILL_CHUNK
    assert longest_chunk(0.06, prefill) == 4 * PREFILL_CHUNK
    assert longest_chunk(math.inf, prefill) >= 2048
