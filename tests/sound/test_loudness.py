"""Loudness, against the standard's own values."""

import numpy as np
import pytest

from tests.sound.signals import hush, parts, speech
from wyoming_csm.audio import SAMPLE_RATE, Samples
from wyoming_csm.sound.loudness import Meter


def loudness(samples: Samples, size: int = 1_920) -> float | None:
    meter = Meter()
    for part in parts(samples, size):
        meter.feed(part)
    return meter.loudness


def sine(hertz: float, level: float) -> Samples:
    at = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    return np.asarray(10 ** (level / 20) * np.sin(2 * np.pi * hertz * at), np.float32)


@pytest.mark.parametrize(
    ("hertz", "right"),
    # The standard's own: 997 Hz at full scale is -3.01 LUFS. The others: its filters, by hand.
    [(997, -3.01), (100, -4.83), (3_000, 0.16), (10_000, 0.5)],
)
def test_it_hears_as_the_standard_says(hertz: float, right: float) -> None:
    for level in (0.0, -23.0):
        assert loudness(sine(hertz, level)) == pytest.approx(right + level, abs=0.15)


def test_a_pause_does_not_make_speech_softer() -> None:
    words = speech(3.0)
    spoken = np.concatenate([hush(2.0), words, hush(4.0), words, hush(2.0)])
    assert loudness(spoken) == pytest.approx(loudness(words), abs=0.8)


def test_it_does_not_depend_on_the_parts_it_comes_in() -> None:
    words = speech(2.0)
    assert len({round(loudness(words, size) or 0, 6) for size in (17, 1_920, 48_000)}) == 1


@pytest.mark.parametrize("samples", [speech(0.39), np.zeros(SAMPLE_RATE, np.float32)])
def test_too_little_or_nothing_has_no_loudness(samples: Samples) -> None:
    assert loudness(samples) is None
