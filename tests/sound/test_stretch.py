"""Speech made slower or faster: as long as asked for, at its own pitch, without a step."""

from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sound.signals import speech
from wyoming_csm.audio import SAMPLE_RATE, Samples, from_pcm, to_pcm
from wyoming_csm.sound.stretch import Stretch

RATES = (0.25, 0.5, 0.75, 0.9, 1.1, 1.5, 2.0, 4.0)


def stretched(pcm: bytes, rate: float, *, size: int = 3_840) -> bytes:
    stretch = Stretch(rate)
    parts = [stretch.feed(pcm[at : at + size]) for at in range(0, len(pcm), size)]
    return b"".join([*parts, stretch.end()])


def sine(frequency: float, seconds: float = 1.0) -> Samples:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return np.asarray(0.5 * np.sin(2 * np.pi * frequency * time), np.float32)


def steepest(samples: Samples) -> float:
    """Return the largest step from a sample to the next."""
    return float(np.abs(np.diff(samples)).max())


def pitch(samples: Samples, at: float) -> float:
    """Return the voice's at a sample in Hz, by autocorrelation; NaN: it has none there."""
    window = samples[round(at) : round(at) + 1_200]
    window = window - window.mean()
    alike = np.correlate(window, window, "full")[len(window) - 1 :]
    period = 60 + int(alike[60:400].argmax())
    voiced = np.square(window).mean() > 1e-4 and alike[period] > 0.7 * alike[0]
    return SAMPLE_RATE / period if voiced else np.nan


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("frequency", [70.0, 110.0, 220.0, 1_000.0, 3_000.0])
def test_a_tone_is_as_high_as_loud_and_as_smooth_as_before(frequency: float, rate: float) -> None:
    sound = from_pcm(stretched(to_pcm(sine(frequency)), rate))
    assert len(sound) == round(SAMPLE_RATE / rate)
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    assert spectrum.argmax() / len(sound) * SAMPLE_RATE == pytest.approx(
        frequency, abs=2 * rate, rel=0.002
    )
    assert steepest(sound) < 1.3 * steepest(sine(frequency))
    levels = [np.std(sound[at : at + 720]) for at in range(0, len(sound) - 720, 240)]
    assert min(levels) > 0.7 * 0.5 / np.sqrt(2)  # a joint where it does not fit would be softer
    assert max(levels) < 1.2 * 0.5 / np.sqrt(2)


@pytest.mark.skipif(find_spec("hibari") is None, reason="hibari is not installed")
@pytest.mark.parametrize("rate", [0.5, 0.75, 1.25, 1.5])
def test_a_voice_keeps_its_pitch_and_gets_no_step(rate: float) -> None:
    from wyoming_csm.worker.system.hibari import Hibari

    pcm = b"".join(Hibari().say("The front door of the house is locked.", "en-US"))
    before, after = from_pcm(pcm), from_pcm(stretched(pcm, rate))
    assert len(after) == round(len(before) / rate)
    places = range(0, len(before) - 6_000, 240)
    usual = np.array([pitch(before, at) for at in places])
    found = np.array([pitch(after, at / rate) for at in places])
    off = np.abs(found / usual - 1)[np.isfinite(found / usual)]
    assert len(off) > 40
    assert np.median(off) < 0.02
    assert np.mean(off < 0.1) > 0.9
    assert steepest(after) < 1.1 * steepest(before)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 6_000),
    st.sampled_from(RATES) | st.floats(0.25, 4.0),
    st.lists(st.integers(0, 1_500), max_size=8),
)
def test_what_comes_out_does_not_depend_on_the_parts(
    count: int, rate: float, cuts: list[int]
) -> None:
    pcm = to_pcm(speech(0.3, seed=1)[:count])
    stretch, at, parts = Stretch(rate), 0, []
    for cut in cuts:
        parts.append(stretch.feed(pcm[2 * at : 2 * (at + cut)]))
        at += cut
    parts += [stretch.feed(pcm[2 * at :]), stretch.end()]
    assert b"".join(parts) == stretched(pcm, rate, size=1 << 20)
    assert len(b"".join(parts)) == 2 * round(len(pcm) / 2 / rate)


def test_at_the_usual_rate_nothing_changes() -> None:
    pcm = to_pcm(speech(0.7))
    assert stretched(pcm, 1.0) == pcm


@pytest.mark.parametrize("rate", RATES)
def test_it_begins_and_ends_as_the_sound_does(rate: float) -> None:
    pcm = to_pcm(speech(1.0))
    out = stretched(pcm, rate)
    assert out[:480] == pcm[:480]
    assert np.abs(from_pcm(out[-24:]) - from_pcm(pcm[-24:])).max() < 0.005


@pytest.mark.parametrize("rate", RATES)
def test_no_sound_is_held_back_for_long(rate: float) -> None:
    stretch, pcm = Stretch(rate), to_pcm(speech(1.0))
    given, out = 0, 0
    ahead = max(0.04, 0.021 * rate)  # seconds of what came
    for at in range(0, len(pcm), 480):
        out += len(stretch.feed(pcm[at : at + 480]))
        given += min(480, len(pcm) - at)
        assert out / 48_000 >= (given / 48_000 - ahead) / rate - 0.01


@pytest.mark.parametrize("rate", [0.5, 2.0])
def test_silence_is_silence_and_what_is_loudest_never_wraps(rate: float) -> None:
    assert not any(stretched(bytes(20_000), rate))
    loudest = np.where(np.random.default_rng(0).random(20_000) < 0.5, -32_768, 32_767)
    out = np.frombuffer(stretched(loudest.astype("<i2").tobytes(), rate), "<i2")
    assert set(np.sign(out[:240])) == {-1, 1}
    assert (
        np.abs(
            np.diff(np.sign(np.frombuffer(stretched(to_pcm(np.full(20_000, 1.0)), rate), "<i2")))
        ).max()
        == 0
    )
