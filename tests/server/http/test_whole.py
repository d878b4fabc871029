"""Sound as a whole: JSON with a WAV file, and what wyoming's own gateway answers."""

import base64
import io
import wave

import pytest

from tests.fakes import FakeEngine, fake_voice, frame
from tests.server.http.doors import doors
from wyoming_csm.config import SoundConfig
from wyoming_csm.voices import Voice

FRAMES = b"".join(map(frame, range(3)))


def sound_in(file: bytes) -> bytes:
    with wave.open(io.BytesIO(file)) as found:
        assert (found.getframerate(), found.getnchannels(), found.getsampwidth()) == (24_000, 1, 2)
        sound: bytes = found.readframes(found.getnframes())
        return sound


async def test_generate_holds_a_whole_file() -> None:
    engine = FakeEngine(frames=3, voices=(fake_voice("speaker_0"), fake_voice("speaker_1")))
    wish = {"text": "One is. Two is.", "voice": "speaker_1", "speed": 1.0}
    async with doors(engine) as both, both.client.post("/api/generate", json=wish) as answer:
        found = await answer.json()
    assert sound_in(base64.b64decode(found.pop("audio_data"))) == FRAMES * 2
    assert found == {
        "format": "wav",
        "sample_rate": 24_000,
        "duration": 0.48,
        "metadata": {
            "model": "wyoming-csm",
            "voice": "speaker_1",
            "speaker": "",
            "streaming": False,
        },
    }


async def test_a_long_file_comes_whole_through_the_disk() -> None:
    engine = FakeEngine(frames=1_200)  # 4.6 MB
    wish = {"text": "One is."}
    async with doors(engine) as both, both.client.post("/api/generate", json=wish) as answer:
        found = await answer.json()
    sound = sound_in(base64.b64decode(found["audio_data"]))
    assert sound == b"".join(map(frame, range(1_200)))
    assert found["duration"] == 96.0


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_wyomings_gateway_answers(method: str) -> None:
    engine = FakeEngine(frames=3, voices=(fake_voice("anna"), fake_voice("berta")))
    parameters = {"voice": "berta"} | ({"text": "One is."} if method == "GET" else {})
    body = b"One is." if method == "POST" else None
    async with (
        doors(engine) as both,
        both.client.request(method, "/api/text-to-speech", params=parameters, data=body) as answer,
    ):
        assert answer.content_type == "audio/wav"
        assert sound_in(await answer.read()) == FRAMES
    assert (engine.asked, engine.replies[0].voice.name) == (["One is."], "berta")


@pytest.mark.parametrize(
    ("voice", "speaker", "spoken", "words"),
    [
        ("vctk", "p2", "p2", None),
        ("vctk", "p9", "", "the voice has no such speaker: its first one speaks"),
        ("nobody", "p9", "", "there is no such voice: the default one speaks"),
    ],
)
async def test_a_speaker_of_several(
    voice: str, speaker: str, spoken: str, words: str | None
) -> None:
    speakers = ("p1", "p2")
    many = Voice(name="vctk", language="en", description="", engine="coqui", speakers=speakers)
    engine = FakeEngine(voices=(many,))
    path = f"/api/text-to-speech?text=One+is.&voice={voice}&speaker={speaker}"
    async with doors(engine) as both, both.client.get(path) as answer:
        assert answer.headers.get("Warning") == (words and f'299 wyoming-csm "{words}"')
    assert engine.replies[0].voice.speaker == spoken


async def test_a_language_chooses_a_voice() -> None:
    engine = FakeEngine(voices=(fake_voice("anna"), fake_voice("berta", "de")))
    path = "/api/text-to-speech?text=Eins.&language=de"
    async with doors(engine) as both, both.client.get(path) as answer:
        assert answer.status == 200
    assert engine.replies[0].voice.name == "berta"


@pytest.mark.parametrize("text", ["", None])
async def test_without_a_text_it_is_refused(text: str | None) -> None:
    parameters = {} if text is None else {"text": text}
    async with (
        doors(FakeEngine()) as both,
        both.client.get("/api/text-to-speech", params=parameters) as answer,
    ):
        assert answer.status == 400
        assert (await answer.json())["error"]["param"] == "text"


async def test_an_engine_that_fails_late_is_a_503() -> None:
    async with (
        doors(FakeEngine(fail_after=2)) as both,
        both.client.post("/api/generate", json={"text": "One is."}) as answer,
    ):
        assert answer.status == 503


async def test_nothing_is_added_for_one_who_waits() -> None:
    sound = SoundConfig(loudness=None, sentence_pause=None, lead_in=1.0, fill_gaps=True)
    engine = FakeEngine(frames=3)
    path = "/api/text-to-speech?text=One+is."
    async with doors(engine, sound=sound) as both, both.client.get(path) as answer:
        assert sound_in(await answer.read()) == FRAMES
