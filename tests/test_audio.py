"""Samples to bytes and back; recordings of all kinds to 24 kHz mono."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wyoming_csm.audio import SAMPLE_RATE, from_pcm, read_clip, resample, silence, to_pcm
from wyoming_csm.errors import VoiceError


def tone(seconds: float, rate: int = SAMPLE_RATE, pitch: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * pitch * np.arange(round(seconds * rate)) / rate)


def test_samples_survive_the_way_there_and_back() -> None:
    every = np.arange(-32_767, 32_768, dtype="<i2").tobytes()
    assert to_pcm(from_pcm(every)) == every


def test_the_lowest_sample_stays_in_range() -> None:
    assert from_pcm(b"\x00\x80").tolist() == [-1.0]


def test_what_is_no_sample_does_no_harm() -> None:
    odd = np.array([np.nan, np.inf, -np.inf, 2.0, -2.0, 1e30], dtype=np.float64)
    loud = [0, 32_767, -32_767, 32_767, -32_767, 32_767]
    assert np.frombuffer(to_pcm(odd), "<i2").tolist() == loud
    assert to_pcm(np.zeros(0, dtype=np.float32)) == b""


def test_pcm_is_little_endian_16_bit() -> None:
    assert to_pcm(np.array([1.0, 0.0, -1.0], dtype=">f8")) == b"\xff\x7f\x00\x00\x01\x80"


def test_silence_is_whole_samples() -> None:
    assert silence(0.08) == bytes(3_840)
    assert silence(1 / 48_001) == b""


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_resampling_changes_neither_length_nor_pitch(rate: int) -> None:
    samples = resample(tone(1.0, rate).astype(np.float32), rate)
    assert samples.dtype == np.float32
    assert abs(len(samples) - SAMPLE_RATE) <= 1
    spectrum = np.abs(np.fft.rfft(samples[:SAMPLE_RATE]))
    assert abs(int(spectrum.argmax()) - 440) <= 1


@pytest.mark.parametrize(
    ("name", "subtype"),
    [
        ("a.wav", "PCM_16"),
        ("a.wav", "PCM_24"),
        ("a.wav", "FLOAT"),
        ("a.wav", "ULAW"),
        ("a.flac", "PCM_16"),
        ("a.ogg", "VORBIS"),
        ("a.mp3", "MPEG_LAYER_III"),
        ("a.aiff", "PCM_16"),
    ],
)
def test_recordings_of_many_kinds(tmp_path: Path, name: str, subtype: str) -> None:
    path = tmp_path / name
    soundfile.write(path, np.stack([tone(0.5, 44_100)] * 2, axis=1), 44_100, subtype=subtype)
    samples = read_clip(path)
    assert samples.ndim == 1
    assert samples.dtype == np.float32
    assert len(samples) / SAMPLE_RATE == pytest.approx(0.5, abs=0.06)
    assert np.sqrt(np.mean(samples**2)) == pytest.approx(0.35, abs=0.03)


def test_channels_are_mixed(tmp_path: Path) -> None:
    left = tone(0.1)
    right = tone(0.1, pitch=600.0)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), SAMPLE_RATE)
    assert np.abs(read_clip(tmp_path / "a.wav") - (left + right) / 2).max() < 1e-4


def test_of_channels_that_cancel_each_other_one_is_used(tmp_path: Path) -> None:
    """A plug wired the wrong way round."""
    left = tone(0.1)
    soundfile.write(tmp_path / "a.wav", np.stack([0.9 * left, -left], axis=1), SAMPLE_RATE)
    assert np.abs(read_clip(tmp_path / "a.wav") + left).max() < 1e-4


def test_many_channels_take_no_more_memory_than_one(tmp_path: Path) -> None:
    """All eight together are 31 MB; a minute of them, 370."""
    path = tmp_path / "a.flac"
    with soundfile.SoundFile(path, "w", 192_000, 8) as file:
        for _ in range(5):
            file.write(np.zeros((192_000, 8), np.int16))
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    try:
        assert len(read_clip(path)) == 5 * SAMPLE_RATE
        assert tracemalloc.get_traced_memory()[1] < 16_000_000
    finally:
        tracemalloc.stop()


def test_what_is_no_recording(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    for content, words in ((b"", "not a recording"), (b"RIFF\xff\xff\xff\xffWAVE", "not a rec")):
        path.write_bytes(content)
        with pytest.raises(VoiceError, match=words):
            read_clip(path)
    with pytest.raises(VoiceError, match="not a recording"):
        read_clip(tmp_path)
    soundfile.write(path, np.zeros(0), SAMPLE_RATE)
    with pytest.raises(VoiceError, match="is empty"):
        read_clip(path)
    soundfile.write(path, np.array([0.0, np.nan]), SAMPLE_RATE, subtype="FLOAT")
    with pytest.raises(VoiceError, match="not numbers"):
        read_clip(path)


def test_a_recording_cut_short_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(1.0), SAMPLE_RATE)
    path.write_bytes(path.read_bytes()[:24_044])
    assert len(read_clip(path)) == 12_000
