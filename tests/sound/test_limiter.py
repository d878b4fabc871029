"""Nothing is too loud, and nothing else changes."""

import numpy as np
import pytest

from tests.sound.signals import parts, speech
from wyoming_csm.audio import Samples
from wyoming_csm.sound.limiter import CEILING, Limiter


def limited(samples: Samples, size: int) -> Samples:
    limiter = Limiter()
    return np.concatenate([*(limiter.feed(part) for part in parts(samples, size)), limiter.end()])


@pytest.mark.parametrize("size", [1_920, 1, 240, 50_000])
def test_nothing_is_louder_than_it_may_be_and_nothing_is_lost(size: int) -> None:
    loud = speech(0.3 if size == 1 else 2.0, -6.0)
    loud[1_000:1_010] = 4.0
    assert np.abs(loud).max() > 1.5
    out = limited(loud, size)
    assert len(out) == len(loud)
    assert np.abs(out).max() <= CEILING + 1e-6
    np.testing.assert_allclose(out, limited(loud, len(loud)), rtol=1e-5, atol=1e-7)


def test_what_is_soft_enough_stays_as_it_is_but_near_a_peak() -> None:
    words = speech(1.0, -30.0)
    words[12_000] = 3.0
    out = limited(words, 1_920)
    same = np.flatnonzero(out != words)
    assert same.min() >= 12_000 - 240
    assert same.max() <= 12_000 + 240


def test_a_peak_changes_the_gain_without_a_step() -> None:
    steady = np.full(4_800, 0.5, np.float32)
    steady[2_400] = 2.0
    gains = np.delete(limited(steady, 1_920), 2_400) / 0.5
    assert np.abs(np.diff(gains)).max() < 0.01
