"""What a voice speaks on from: mended where that is honest, else refused."""

import numpy as np
import pytest

from wyoming_csm.audio import SAMPLE_RATE, Samples
from wyoming_csm.errors import VoiceError
from wyoming_csm.mending import Mended, mend
from wyoming_csm.sound.loudness import Meter

OVERDRIVEN = "it is overdriven: record it again, softer or from farther away"


def speech(seconds: float = 6.0, level: float = 0.3) -> Samples:
    """As restless as a person: syllables of harmonics, with a pause after each fourth."""
    at = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    syllables = np.abs(np.sin(np.pi * 4 * at)) ** 2 * (np.floor(4 * at) % 5 < 4)
    pitch = 2 * np.pi * (120 * at + 3 * np.sin(2 * np.pi * 0.5 * at))
    voice = sum(np.cos(n * pitch) / n for n in range(1, 12)) / 2
    return np.asarray(level * syllables * voice, np.float32)


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def noise(seconds: float, level: float) -> Samples:
    samples = np.random.default_rng(3).normal(0, level, round(seconds * SAMPLE_RATE))
    return samples.astype(np.float32)


def with_pauses(*seconds: float) -> Samples:
    """Seven seconds of speech before, between and after them."""
    parts = [part for pause in seconds for part in (silence(pause), speech(7))]
    return np.concatenate([speech(7), *parts])


def lufs(samples: Samples) -> float:
    """As BS.1770 measures it: a sine of 997 Hz at full scale has -3.01."""
    meter = Meter()
    meter.feed(samples)
    assert meter.loudness is not None
    return meter.loudness


def seconds_of(found: Mended) -> float:
    return len(found.samples) / SAMPLE_RATE


def test_a_good_recording_stays_as_it_is() -> None:
    found = mend(speech())
    factor = float(found.samples.max() / speech().max())
    assert np.abs(found.samples / factor - speech()).max() < 1e-3
    assert factor == pytest.approx(1, abs=0.12), "less than 1 dB"
    assert (found.changes, found.doubts) == ((), ())


@pytest.mark.parametrize("background", [0.0, 0.001])
def test_silence_at_the_edges_is_left_out_but_for_0_3_seconds(background: float) -> None:
    whole = np.concatenate([silence(8), speech(), silence(7)])
    found = mend(whole + noise(21, background))
    assert seconds_of(found) == pytest.approx(6.5, abs=0.2)  # it ends in a pause of its own
    quiet = round(0.25 * SAMPLE_RATE)
    assert np.abs(found.samples[:quiet]).max() < 0.01
    (said,) = found.changes
    assert said == f"{21 - seconds_of(found):.1f} s of silence at its edges left out"
    assert found.doubts == ()


def test_the_click_of_a_button_is_no_speech() -> None:
    click = np.full(100, 0.9, np.float32)
    found = mend(np.concatenate([click, silence(3), speech(), silence(3), click]))
    assert seconds_of(found) == pytest.approx(6.5, abs=0.2)


def test_soft_words_at_the_edge_stay() -> None:
    soft = mend(np.concatenate([speech(2, 0.02), speech(), speech(2, 0.02)]))
    assert seconds_of(soft) == pytest.approx(10, abs=0.3)


@pytest.mark.parametrize("factor", [0.02, 0.2, 1.0, 5.0, 30.0])
def test_every_clip_gets_the_same_loudness(factor: float) -> None:
    found = mend(speech() * np.float32(factor))
    assert lufs(found.samples) == pytest.approx(-23, abs=0.05)
    way = -23 - lufs(speech() * np.float32(factor))
    said = [f"{abs(way):.0f} dB {'louder' if way > 0 else 'softer'}"] if abs(way) >= 1 else []
    assert list(found.changes) == said
    assert bool(found.doubts) is (way > 20)


def test_the_loudness_may_be_chosen_or_left() -> None:
    assert lufs(mend(speech(), -30).samples) == pytest.approx(-30, abs=0.05)
    assert np.abs(mend(speech(), None).samples - speech()).max() < 1e-3


def test_no_loudness_is_worth_a_clipped_sample() -> None:
    sharp = speech(level=0.05)
    sharp[::6_000] = 0.5
    found = mend(sharp, -10)
    assert 0.97 < np.abs(found.samples).max() < 1


def test_an_offset_goes() -> None:
    found = mend(speech() + np.float32(0.3))
    assert abs(found.samples.mean()) < 1e-4
    assert seconds_of(found) == pytest.approx(6, abs=0.5)


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (silence(12), "nothing is heard in it"),
        (silence(12) + np.float32(0.2), "nothing is heard in it"),
        (noise(12, 0.0003), "nothing is heard in it"),
        (np.concatenate([silence(9), speech(0.6)]), "only 0."),
        (np.concatenate([silence(2), np.full(200, 0.5), silence(2)]), "nothing but clicks"),
        (np.concatenate([speech(0.25), silence(12), speech(0.25)]), "only 0.5 s of it are sound"),
    ],
    ids=["zeros", "offset", "hum", "a word", "a click", "two words far apart"],
)
def test_nobody_could_speak_from_it(samples: Samples, said: str) -> None:
    with pytest.raises(VoiceError, match=said):
        mend(samples)


@pytest.mark.parametrize(
    ("samples", "doubt"),
    [
        (noise(12, 0.1), "it sounds like steady noise, not like speech"),
        (speech() + noise(6, 0.02), "it is noisy: the voice is only"),
        (speech(3), "it is short (2.4 s of sound): 10 to 30 s of speech serve best"),
        (np.clip(speech() * 20, -1, 1), OVERDRIVEN),
        (np.clip(speech() * 5, -0.9, 0.9), OVERDRIVEN),
        (np.concatenate([speech(1), silence(20), speech(1)]), "it is short (2.0 s of sound)"),
        (with_pauses(3, 20), "it has a pause of 20.0 s: cut it out, or the voice may pause, too"),
        (with_pauses(3, 20) + noise(44, 0.001), "it has a pause of 20.0 s"),
    ],
    ids=[
        *("noise", "noisy", "short", "overdriven", "a little overdriven"),
        *("short with a pause", "pauses", "noisy pauses"),
    ],
)
def test_what_no_change_could_mend_is_said(samples: Samples, doubt: str) -> None:
    assert len([said for said in mend(samples).doubts if said.startswith(doubt)]) == 1


def test_a_speakers_pauses_are_no_doubt() -> None:
    assert mend(with_pauses(1, 1.5)).doubts == ()
