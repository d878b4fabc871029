"""How long a prefill takes: learned from a few, and again when it changes."""

import random

import pytest
import torch

from wyoming_csm.worker.csm.pace import PrefillPace

CPU = torch.device("cpu")


def test_a_constant_and_so_much_a_position_are_found() -> None:
    pace = PrefillPace(CPU)
    assert pace.seconds(100) == 0
    for positions in (8, 8, 64):
        pace.observe(positions, 0.03 + 1e-4 * positions)
    for positions in (1, 30, 300):
        assert pace.seconds(positions) == pytest.approx(0.03 + 1e-4 * positions, rel=0.1)


def test_prefills_of_one_length_leave_what_a_position_costs() -> None:
    pace = PrefillPace(CPU)
    for positions in (8, 8, 64, *[20] * 100):
        pace.observe(positions, 0.03 + 1e-4 * positions)
    for positions in (1, 300):
        assert pace.seconds(positions) == pytest.approx(0.03 + 1e-4 * positions, rel=0.1)


def test_it_follows_a_device_that_others_slow_down() -> None:
    rng = random.Random(0)
    pace = PrefillPace(CPU)
    for factor in (1, 2):
        for _ in range(40):
            positions = rng.choice((10, 40, 300))
            seconds = (0.02 + 1e-4 * positions) * rng.uniform(0.98, 1.02)
            pace.observe(positions, factor * seconds)
        assert pace.seconds(300) == pytest.approx(factor * 0.05, rel=0.15)


def test_what_runs_inside_is_measured() -> None:
    pace = PrefillPace(CPU)
    with pace.measured(4):
        sum(range(100_000))
    once = pace.seconds(4)
    assert once > 0
    with pytest.raises(ValueError), pace.measured(4):  # noqa: PT011
        raise ValueError
    assert pace.seconds(4) == once, "one that failed tells nothing"
