"""Sound that was spoken, in another format: the same sound, of bounded size, from our own pages."""

import io

import numpy as np
import pytest
import soundfile
from aiohttp import ClientResponse

from tests.fakes import FakeEngine
from tests.server.http.doors import Doors, doors
from tests.server.http.test_encode import TONE
from wyoming_csm.config import Limits
from wyoming_csm.server.http.encode import wav_header

WAV = {"Content-Type": "audio/wav"}
FILE = wav_header(len(TONE) * 2) + TONE.tobytes()


async def converted(both: Doors, data: bytes, name: str = "mp3") -> tuple[ClientResponse, bytes]:
    path = f"/api/convert?format={name}"
    async with both.client.post(path, data=data, headers=WAV) as answer:
        return answer, await answer.read()


@pytest.mark.parametrize("size", [len(TONE) * 2, None])
async def test_no_sample_is_another_and_nobody_speaks(size: int | None) -> None:
    engine = FakeEngine()
    async with doors(engine) as both:
        answer, data = await converted(both, wav_header(size) + TONE.tobytes(), "pcm")
    assert (answer.status, answer.content_type) == (200, "audio/pcm")
    assert data == TONE.tobytes()
    assert not engine.asked


async def test_an_mp3_is_made_if_nothing_else_is_asked_for() -> None:
    async with (
        doors(FakeEngine()) as both,
        both.client.post("/api/convert", data=FILE, headers=WAV) as answer,
    ):
        assert (answer.status, answer.content_type) == (200, "audio/mpeg")
        samples, rate = soundfile.read(io.BytesIO(await answer.read()))
    assert rate == 24_000
    assert abs(len(samples) - len(TONE)) <= 2 * 1_152
    assert np.abs(samples).max() == pytest.approx(9_000 / 32_768, rel=0.1)


@pytest.mark.parametrize("name", ["mp3", "pcm", "wav"])
@pytest.mark.parametrize("data", [b"", b"\1", b"\1\0\2"])
async def test_a_file_may_end_anywhere(name: str, data: bytes) -> None:
    async with doors(FakeEngine()) as both:
        answer, found = await converted(both, wav_header(None) + data, name)
    assert answer.status == 200
    if name == "pcm":
        assert found == data[: len(data) // 2 * 2]


async def test_what_it_cannot_be_made_of_is_told() -> None:
    stereo = io.BytesIO()
    soundfile.write(stereo, np.zeros((100, 2)), 24_000, format="WAV", subtype="PCM_16")
    slow = io.BytesIO()
    soundfile.write(slow, np.zeros(100), 16_000, format="WAV", subtype="PCM_16")
    async with doors(FakeEngine(), limits=Limits(upload_bytes=5_000)) as both:
        for data, status, words in (
            (b"RIFF", 400, "this is no WAV file"),
            (b"", 400, "this is no WAV file"),
            (stereo.getvalue(), 400, "24000 Hz, mono, 16 bits"),
            (slow.getvalue(), 400, "24000 Hz, mono, 16 bits"),
            (FILE, 413, "longer than 5000 bytes"),
        ):
            answer, found = await converted(both, data)
            assert answer.status == status
            assert words in found.decode()
        answer, found = await converted(both, FILE, "gif")
        assert answer.status == 400
        assert '"param":"format"' in found.decode()
        form = {"Content-Type": "text/plain"}  # as any page can send it
        async with both.client.post("/api/convert", data=FILE, headers=form) as answer:
            assert answer.status == 415
