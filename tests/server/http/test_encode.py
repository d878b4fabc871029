"""Formats of sound: made part by part, and read again by a decoder."""

import asyncio
import io
import sys
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import soundfile

from wyoming_csm.audio import SAMPLE_RATE
from wyoming_csm.server.http.encode import MIME, Format, Sink, encoder_of, wav_header
from wyoming_csm.server.http.respond import encoded

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


@pytest.mark.skipif(sys.platform != "linux", reason="threads of libraries are seen in /proc")
def test_aac_that_is_closed_in_the_middle_has_no_threads_left() -> None:
    pytest.importorskip("av")
    tasks = Path("/proc/self/task")
    before = len(list(tasks.iterdir()))
    encoder = encoder_of("aac")
    for part in PARTS:
        encoder.feed(part)
    encoder.close()
    encoder.close()
    assert len(list(tasks.iterdir())) <= before


class Slow:
    """An encoder that works until it may go on."""

    slow = True

    def __init__(self) -> None:
        self.at_work, self.may_go_on = Event(), Event()
        self.closed: list[bool] = []  # each time: while it was at work?

    def feed(self, pcm: bytes) -> bytes:
        self.at_work.set()
        self.may_go_on.wait()
        self.at_work.clear()
        return pcm

    def end(self) -> bytes:
        return b""

    def close(self) -> None:
        self.closed.append(self.at_work.is_set())


async def sound() -> AsyncGenerator[bytes]:
    for part in PARTS[:3]:
        yield part


async def test_an_encoder_is_closed_when_its_client_leaves_but_not_while_a_thread_has_it() -> None:
    encoder = Slow()
    with ThreadPoolExecutor(1) as threads:
        data = encoded(sound(), encoder, threads)
        first = asyncio.ensure_future(anext(data))
        await asyncio.to_thread(encoder.at_work.wait)
        first.cancel()
        await asyncio.wait([first])
        assert encoder.closed == []
        encoder.may_go_on.set()
    assert encoder.closed == [False]


async def test_an_encoder_is_closed_where_its_sound_ends() -> None:
    encoder = Slow()
    encoder.may_go_on.set()
    with ThreadPoolExecutor(1) as threads:
        assert len([part async for part in encoded(sound(), encoder, threads)]) == 4
    assert encoder.closed == [False]
