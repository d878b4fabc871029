"""OpenAI's API for speech: its own client, streaming, formats, events, and what is refused."""

import asyncio
import base64
import json
import threading
from collections.abc import AsyncGenerator
from typing import Any

import openai
import pytest

from tests.fakes import FakeEngine, fake_voice, frame
from tests.server.clients import eventually
from tests.server.http.doors import doors
from wyoming_csm.config import Limits
from wyoming_csm.engines.base import Sentence

SPEECH = "/v1/audio/speech"
FRAMES = b"".join(map(frame, range(3)))


class SecondWaits(FakeEngine):
    """Makes the second sentence only when `go` is set."""

    def __init__(self) -> None:
        super().__init__(frames=3)
        self.go = asyncio.Event()

    async def make(self, sentence: Sentence) -> AsyncGenerator[bytes]:
        if self.finished:
            await self.go.wait()
        async for pcm in super().make(sentence):
            yield pcm


async def test_openais_client_has_the_first_sentence_before_the_second_is_made() -> None:
    engine = SecondWaits()
    async with (
        doors(engine) as both,
        openai.AsyncOpenAI(base_url=f"{both.url}/v1", api_key="none") as client,
        client.audio.speech.with_streaming_response.create(
            model="tts-1", voice="fake_en", input="One is. Two is.", response_format="pcm"
        ) as answer,
    ):
        body = b""
        async for part in answer.iter_bytes():
            body += part
            if len(body) == len(FRAMES):
                assert engine.finished == ["One is."]
                engine.go.set()
        assert body == FRAMES * 2
        assert engine.clients == ["127.0.0.1"] * 2


async def test_openais_client_lists_the_model() -> None:
    async with (
        doors(FakeEngine()) as both,
        openai.AsyncOpenAI(base_url=f"{both.url}/v1", api_key="none") as client,
    ):
        assert [one.id async for one in client.models.list()] == ["wyoming-csm"]
        assert (await client.models.retrieve("wyoming-csm")).id == "wyoming-csm"
        with pytest.raises(openai.NotFoundError, match="the one here is wyoming-csm"):
            await client.models.retrieve("tts-1")


async def test_openais_client_reads_our_errors() -> None:
    async with (
        doors(FakeEngine()) as both,
        openai.AsyncOpenAI(base_url=f"{both.url}/v1", api_key="none", max_retries=0) as client,
    ):
        with pytest.raises(openai.BadRequestError, match="10001 characters") as caught:
            await client.audio.speech.create(model="tts-1", voice="a", input="a" * 10_001)
        assert caught.value.param == "input"


@pytest.mark.parametrize(
    ("name", "kind", "begin"),
    [
        ("wav", "audio/wav", b"RIFF\xff\xff\xff\xffWAVEfmt "),
        ("pcm", "audio/pcm", frame(0)[:8]),
        ("mp3", "audio/mpeg", b"\xff\xf3"),
        ("flac", "audio/flac", b"fLaC"),
        ("opus", "audio/ogg", b"OggS"),
        (None, "audio/mpeg", b"\xff\xf3"),
    ],
)
async def test_formats(name: str | None, kind: str, begin: bytes) -> None:
    wish = {"input": "One is."} | ({"response_format": name} if name else {})
    async with doors(FakeEngine()) as both, both.client.post(SPEECH, json=wish) as answer:
        assert (answer.status, answer.content_type) == (200, kind)
        assert (await answer.read()).startswith(begin)


async def test_events_hold_the_sound_and_end() -> None:
    wish = {"input": "One is.", "response_format": "pcm", "stream_format": "sse"}
    async with doors(FakeEngine(frames=3)) as both, both.client.post(SPEECH, json=wish) as answer:
        assert answer.content_type == "text/event-stream"
        lines = (await answer.text()).strip().split("\n\n")
    events = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert {one["type"] for one in events[:-1]} == {"speech.audio.delta"}
    assert b"".join(base64.b64decode(one["audio"]) for one in events[:-1]) == FRAMES
    usage = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
    assert events[-1] == {"type": "speech.audio.done", "usage": usage}


async def test_an_engine_that_fails_late_is_an_event() -> None:
    wish = {"input": "One is.", "response_format": "pcm", "stream_format": "sse"}
    engine = FakeEngine(fail_after=2)
    async with doors(engine) as both, both.client.post(SPEECH, json=wish) as answer:
        last = (await answer.text()).strip().split("\n\n")[-1]
    event = json.loads(last.removeprefix("data: "))
    assert event["type"] == "error"
    assert "fake was told to fail" in event["error"]["message"]


@pytest.mark.parametrize(
    ("wish", "words", "param"),
    [
        ({}, "missing required field `input`", None),
        ({"input": ""}, "length >= 1", "input"),
        ({"input": 5}, "Expected `str`", "input"),
        ({"input": "a", "response_format": "au"}, "Invalid enum value 'au'", "response_format"),
        ({"input": "a", "speed": 5}, "<= 4.0", "speed"),
        ({"input": "a", "stream_format": "x"}, "Invalid enum", "stream_format"),
        ([], "Expected `object`", None),
    ],
)
async def test_what_is_refused_is_named(wish: Any, words: str, param: str | None) -> None:
    async with doors(FakeEngine()) as both, both.client.post(SPEECH, json=wish) as answer:
        assert answer.status == 400
        error = (await answer.json())["error"]
    assert words in error["message"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"{5", b""])
async def test_what_is_no_json_is_refused(body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    async with (
        doors(FakeEngine()) as both,
        both.client.post(SPEECH, data=body, headers=headers) as answer,
    ):
        assert answer.status == 400
        assert "not JSON" in (await answer.json())["error"]["message"]


async def test_what_cannot_be_done_is_warned_of() -> None:
    engine = FakeEngine(voices=(fake_voice("anna"), fake_voice("berta")))
    wish: dict[str, object] = {"input": "One is.", "voice": "alloy", "instructions": "Whisper."}
    async with doors(engine) as both, both.client.post(SPEECH, json=wish) as answer:
        assert "instructions are ignored" in answer.headers["Warning"]
        assert "the default one speaks" in answer.headers["Warning"]
        await answer.read()
    wish = {"input": "One is.", "voice": {"id": "berta"}}
    async with doors(engine) as both, both.client.post(SPEECH, json=wish) as answer:
        assert "Warning" not in answer.headers
        await answer.read()
    assert [reply.voice.name for reply in engine.replies] == ["anna", "berta"]


async def test_no_engine_is_a_503_that_says_when_to_ask_again() -> None:
    async with (
        doors(FakeEngine(fail_after=0)) as both,
        both.client.post(SPEECH, json={"input": "One is."}) as answer,
    ):
        assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
        assert "fake was told to fail" in (await answer.json())["error"]["message"]


async def test_an_engine_that_fails_late_breaks_the_answer_off() -> None:
    wish = {"input": "One is.", "response_format": "pcm"}
    async with (
        doors(FakeEngine(fail_after=2)) as both,
        both.client.post(SPEECH, json=wish) as answer,
    ):
        assert answer.status == 200
        with pytest.raises(Exception, match=r"not completed|closed|payload"):
            await answer.read()


async def test_leaving_stops_the_speech() -> None:
    engine = FakeEngine(frames=1000, frame_seconds=0.01)
    wish = {"input": "One is.", "response_format": "pcm"}
    async with doors(engine) as both:
        answer = await both.client.post(SPEECH, json=wish)
        await answer.content.readany()
        answer.close()
        await eventually(lambda: engine.cancelled == ["One is."])


async def test_a_text_without_words_is_a_short_silence() -> None:
    wish = {"input": "…", "response_format": "pcm"}
    async with doors(FakeEngine()) as both, both.client.post(SPEECH, json=wish) as answer:
        assert await answer.read() == bytes(4_800)


async def test_texts_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    wish = {"input": "Xylophone is secret.", "instructions": "Xylophone."}
    async with doors(FakeEngine()) as both:
        for route, form in ((SPEECH, wish), ("/api/generate", {"text": wish["input"]})):
            async with both.client.post(route, json=form) as answer:
                await answer.read()
        async with both.client.get("/api/text-to-speech", params={"text": wish["input"]}):
            pass
        async with both.client.get("/api/status") as answer:
            assert "Xylophone" not in await answer.text()
    assert "Xylophone" not in caplog.text


async def test_long_texts_are_refused_by_the_setting() -> None:
    limits, threads = Limits(text_characters=5), set(threading.enumerate())
    async with (
        doors(FakeEngine(), limits=limits) as both,
        both.client.post(SPEECH, json={"input": "One is.", "response_format": "mp3"}) as answer,
    ):
        assert answer.status == 400
        assert not any(
            one.name.startswith("encoding") for one in threading.enumerate() if one not in threads
        )
        assert "limits.text_characters" in (await answer.json())["error"]["message"]


async def test_voices_are_listed_the_default_one_first() -> None:
    engine = FakeEngine(voices=(fake_voice("anna"), fake_voice("berta", "de")))
    async with (
        doors(engine, voice="berta") as both,
        both.client.get("/v1/audio/voices") as answer,
    ):
        voices = (await answer.json())["voices"]
    assert [one["id"] for one in voices] == ["berta", "anna"]
    assert voices[0]["language"] == "de"
