"""The scheduler's sums: how many step together, how long a prompt may be heard, how many fit."""

import math

import pytest

from wyoming_csm.worker.csm.schedule import (
    PIECE,
    Load,
    capacity,
    how_many,
    longest_piece,
    slack,
)


def cost(n: int) -> float:
    return 0.010 + 0.006 * n


@pytest.mark.parametrize(
    ("dues", "n"),
    [
        ([0.1, 0.1, 0.1], 3),  # there is time for all
        ([0.032, 0.5, 0.5], 2),  # 28 ms for all and 5 to spare are too long for the first
        ([0.026, 0.5, 0.5], 1),
        ([0.026, 0.04, 0.04], 3),  # the others cannot wait: all, late or not
        ([-1.0, 0.1, 0.1], 3),  # who is late anyway makes nobody else wait
        ([-1.0, 0.032, 0.5], 2),
        ([-1.0], 1),
        ([-1.0, -1.0, 9.0], 3),
        ([0.0, 0.03, 9.0], 2),  # late, and 9 s ahead
    ],
)
def test_how_many_step(dues: list[float], n: int) -> None:
    assert how_many([100 + due for due in dues], 100.0, cost) == n


def test_slack_is_what_is_left_before_somebody_is_late() -> None:
    assert slack([], 100.0, cost) == math.inf
    assert slack([100.1], 100.0, cost) == pytest.approx(0.1 - 0.016 - 0.01)
    assert slack([100.1, 100.1], 100.0, cost) == pytest.approx(0.1 - 0.022 - 0.01)
    assert slack([100.1, 109.0], 100.0, cost) == pytest.approx(0.1 - 0.016 - 0.01)
    assert slack([100.0], 100.0, cost) < 0


@pytest.mark.parametrize("dues", [[0.2, 0.2, 0.3], [0.06, 0.12, 0.4], [0.05, 0.3, 0.31, 0.32]])
def test_after_a_pause_of_the_slack_nobody_is_late(dues: list[float]) -> None:
    ready, left = slack(dues, 0.0, cost), list(dues)
    assert ready > 0
    while left:
        n = how_many(left, ready, cost)
        ready += cost(n)
        assert ready < left[0]
        left = left[n:]


def test_a_piece_of_a_prompt_fits_into_the_time_there_is() -> None:
    def prefill(positions: int) -> float:
        return 0.03 + 0.0001 * positions

    assert longest_piece(0.036, prefill) == 0
    assert longest_piece(0.037, prefill) == PIECE
    assert longest_piece(0.06, prefill) == 4 * PIECE
    assert longest_piece(math.inf, prefill) >= 2048


def test_capacity_is_what_real_time_allows() -> None:
    assert capacity(8, cost) == 8
    assert capacity(16, cost) == 11
    assert capacity(8, lambda n: 0.010 + 0.014 * n) == 4
    assert capacity(8, lambda n: 0.3) == 1
    assert capacity(8, lambda n: 0.04 if n in (1, 2, 4) else math.inf) == 4


def test_load_follows_what_steps_take() -> None:
    load = Load(cost)
    assert load.fits(8)
    for _ in range(50):
        load.observe(8, 1.5 * cost(8), 0.1, pure=True)
    assert load.cost(8) == pytest.approx(1.5 * cost(8), rel=0.01)
    assert not load.fits(8)
    assert load.fits(6)


def test_one_step_that_took_for_ever_is_forgotten() -> None:
    load = Load(cost)
    load.observe(8, 3_600.0, 3_600.0, pure=True)
    for _ in range(30):
        load.observe(8, cost(8), cost(8), pure=True)
    assert load.fits(8)


def test_prompts_take_their_share_of_real_time() -> None:
    load = Load(cost)
    for _ in range(50):
        load.observe(7, cost(7), cost(7), pure=True)
        load.observe(7, cost(7) + 0.1, cost(7) + 0.1, pure=False)
    assert load.cost(7) == pytest.approx(cost(7))
    assert not load.fits(8)
    assert load.fits(1)
    load.observe(1, cost(1), 10.0, pure=True)
    assert load.fits(8), "the newcomers of ten seconds ago are no load"


def test_what_was_never_measured_fits_one() -> None:
    load = Load(lambda n: math.inf)
    load.observe(1, 0.02, 0.02, pure=True)
    assert load.cost(1) == 0.0
    assert load.fits(1)
    assert not load.fits(2)
