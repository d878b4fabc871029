"""Formats of sound: made part by part, and read again by a decoder."""

import io

import numpy as np
import pytest
import soundfile

from wyoming_csm.audio import SAMPLE_RATE
from wyoming_csm.server.http.encode import MIME, Format, Sink, encoder_of, wav_header

SECONDS = 2
TONE = (np.sin(2 * np.pi * 220 * np.arange(SECONDS * SAMPLE_RATE) / SAMPLE_RATE) * 9_000).astype(
    "<i2"
)
PARTS = [TONE[at : at + 1_920].tobytes() for at in range(0, len(TONE), 1_920)]


def made(name: Format) -> list[bytes]:
    encoder = encoder_of(name)
    return [*map(encoder.feed, PARTS), encoder.end()]


@pytest.mark.parametrize("name", ["wav", "mp3", "opus"])
def test_what_soundfile_reads_is_what_went_in(name: Format) -> None:
    samples, rate = soundfile.read(io.BytesIO(b"".join(made(name))))
    assert rate == SAMPLE_RATE
    assert abs(len(samples) - len(TONE)) <= 2 * 1_152  # frames of MP3
    assert np.abs(samples[4_000:-4_000]).max() == pytest.approx(9_000 / 32_768, rel=0.1)


@pytest.mark.parametrize("name", ["mp3", "opus", "flac", "aac"])
def test_every_decoder_reads_it(name: Format) -> None:
    av = pytest.importorskip("av")
    with av.open(io.BytesIO(b"".join(made(name)))) as file:
        frames = list(file.decode(audio=0))
    seconds = sum(frame.samples / frame.sample_rate for frame in frames)
    assert seconds == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize("name", MIME)
def test_sound_goes_on_while_it_is_made(name: Format) -> None:
    if name == "aac":
        pytest.importorskip("av")
    parts = made(name)
    ready = np.cumsum([len(part) for part in parts]) / sum(map(len, parts))
    assert ready[len(PARTS) // 2] > 0.4
    assert ready[3] > 0  # 0.32 s after the beginning


@pytest.mark.parametrize("name", MIME)
def test_nothing_at_all_can_be_encoded(name: Format) -> None:
    if name == "aac":
        pytest.importorskip("av")
    assert len(encoder_of(name).end()) < 1_000


def test_a_wav_file_of_known_length_is_whole() -> None:
    file = wav_header(len(TONE.tobytes())) + TONE.tobytes()
    samples, _ = soundfile.read(io.BytesIO(file), dtype="int16")
    assert np.array_equal(samples, TONE)


def test_what_went_is_not_written_again() -> None:
    sink = Sink()
    sink.write(b"abcd")
    sink.seek(1)
    sink.write(b"BC")
    assert sink.take() == b"aBCd"
    sink.seek(2)
    sink.write(b"xyz!")
    assert (sink.take(), sink.tell()) == (b"z!", 6)
    assert sink.seek(0, 2) == 6
