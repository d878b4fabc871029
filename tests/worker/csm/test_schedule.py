"""The scheduler's sums: how many step together, and how long a prompt may be read."""

import math

import pytest

from wyoming_csm.worker.csm.schedule import (
    PIECE,
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
