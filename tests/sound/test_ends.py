"""The silence at both ends of a sentence."""

import numpy as np
import pytest

from tests.sound.signals import hush, parts, speech
from wyoming_csm.audio import SAMPLE_RATE, Samples
from wyoming_csm.sound.ends import Ends

SIZES = (1_920, 37, 240, 100_000)


def trimmed(samples: Samples, after: float, size: int = 1_920) -> Samples:
    ends = Ends(after)
    sound = [*(ends.feed(part) for part in parts(samples, size)), ends.end()]
    return np.concatenate([*sound, ends.tail])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("before", "after"), [(0.0, 0.0), (0.02, 0.1), (0.3, 0.45), (0.9, 3.0), (1.9, 1.0)]
)
def test_the_words_are_whole_and_the_silence_at_both_ends_is_what_was_asked_for(
    size: int, before: float, after: float
) -> None:
    words = np.concatenate([speech(1.0), hush(0.7), speech(0.4, seed=1)])
    out = trimmed(np.concatenate([hush(before), words, hush(after)]), 0.25, size)
    begin = next(at for at in range(2_000) if np.array_equal(out[at : at + 960], words[:960]))
    assert begin <= 0.04 * SAMPLE_RATE
    assert np.array_equal(out[begin : begin + len(words)], words), "not a sample is another"
    rest = (len(out) - begin - len(words)) / SAMPLE_RATE
    assert rest == pytest.approx(min(after, 0.25), abs=0.011)


def test_a_pause_inside_a_sentence_stays_however_long_it_is() -> None:
    words = np.concatenate([speech(0.5), hush(2.0), speech(0.5)])
    assert len(trimmed(words, 0.1)) == len(words)


def test_what_comes_after_the_last_word_is_the_tail_alone() -> None:
    ends = Ends(0.25)
    words = speech(1.0)
    assert len(ends.feed(words)) == len(words)
    assert [len(ends.feed(part)) for part in parts(hush(0.6), 1_920)] == [0] * 8
    assert not len(ends.end())
    assert len(ends.tail) == 0.25 * SAMPLE_RATE


def test_a_sound_that_dies_away_is_not_cut_where_no_silence_is_asked_for() -> None:
    fading = speech(0.5) * np.linspace(1, 0, 12_000, dtype=np.float32) ** 3
    out = trimmed(np.concatenate([speech(1.0), fading, hush(1.0)]), 0.0)
    assert np.abs(fading[len(out) - SAMPLE_RATE :]).max() < 10 ** (-50 / 20)


@pytest.mark.parametrize("size", SIZES)
def test_a_voice_that_only_whispers_is_spoken_as_it_is(size: int) -> None:
    for seconds in (0.5, 3.0):
        quiet = speech(seconds, -60.0)
        assert np.array_equal(trimmed(quiet, 0.25, size), quiet)


def test_nothing_is_nothing() -> None:
    assert not len(trimmed(np.zeros(0, np.float32), 0.25))
