"""The words of a clip from a speech-to-text server, for the command and over HTTP; and what is said
where that server fails."""

import socket
from pathlib import Path

import pytest
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk
from wyoming.error import Error
from wyoming.event import Event

from tests.fake_asr import WORDS, asr, silent
from tests.fakes import FakeEngine
from tests.server.http.doors import doors
from tests.server.http.test_voices import asked, form
from tests.test_voices_command import clip, config, left, new
from wyoming_csm.config import HttpConfig
from wyoming_csm.errors import RequestError
from wyoming_csm.recordings import read_voice
from wyoming_csm.voices_command import add_voice

__all__ = ["clip"]  # a fixture


async def test_a_server_tells_the_words(
    tmp_path: Path, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events: list[Event] = []
    async with asr(events.append) as uri:
        await add_voice(config(tmp_path), new(clip, text=None, asr=uri, language="fr_CA"))
    assert read_voice(tmp_path / "voices/anna").clips[0].text == WORDS
    assert f"Understood: {WORDS}" in capsys.readouterr().err
    assert Transcribe.from_event(events[0]).language == "fr"
    chunks = [AudioChunk.from_event(event) for event in events if AudioChunk.is_type(event.type)]
    assert {(one.rate, one.width, one.channels) for one in chunks} == {(16_000, 2, 1)}
    assert sum(one.seconds for one in chunks) == pytest.approx(8.0, abs=0.3)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Error("no model").event(), "the speech-to-text server: no model"),
        (Transcript(" ").event(), "understood no words: write them yourself"),
        (Event("transcript"), "is no Wyoming server"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is no Wyoming server"),
        (b"[]\n", "is no Wyoming server"),
        (b"", "is no Wyoming server"),
    ],
)
async def test_a_server_that_tells_no_words_is_named(
    tmp_path: Path, clip: Path, answer: Event | bytes, said: str
) -> None:
    async with asr(answer=answer) as uri:
        with pytest.raises(RequestError) as refused:
            await add_voice(config(tmp_path), new(clip, text=None, asr=uri))
    assert said in str(refused.value)
    assert left(tmp_path) == {}


@pytest.mark.parametrize(
    "uri", ["localhost:10300", "tcp://a", "tcp://a:b", "stdio://", "http://a:1"]
)
async def test_a_wrong_address_is_named(tmp_path: Path, clip: Path, uri: str) -> None:
    with pytest.raises(RequestError, match="is not like tcp://"):
        await add_voice(config(tmp_path), new(clip, text=None, asr=uri))


async def test_a_server_that_is_not_there_is_named(tmp_path: Path, clip: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(RequestError, match="cannot be reached: "):
            await add_voice(config(tmp_path), new(clip, text=None, asr=nobody))


async def test_a_server_that_is_silent_is_not_waited_for(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wyoming_csm.transcription.SECONDS", 0.3)
    async with silent() as uri:
        with pytest.raises(RequestError, match="no answer in time"):
            await add_voice(config(tmp_path), new(clip, text=None, asr=uri))


async def test_the_words_of_a_clip_come_from_the_configured_server() -> None:
    async with asr(answer=Transcript("to be or not").event()) as uri:
        http = HttpConfig(address="127.0.0.1:0", asr=uri)
        async with doors(FakeEngine(), http=http) as both:
            status, found = await asked(both, "POST", "/api/clips/transcribe", data=form())
    assert (status, found) == (200, {"text": "to be or not"})


async def words_over_http(uri: str) -> tuple[int, str, str]:
    """How the door answers where this speech-to-text server has the words: its message and type."""
    http = HttpConfig(address="127.0.0.1:0", asr=uri)
    async with doors(FakeEngine(), http=http) as both:
        status, found = await asked(both, "POST", "/api/clips/transcribe", data=form())
    return status, found["error"]["message"], found["error"]["type"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Error("no model").event(), "the speech-to-text server: no model"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is no Wyoming server: see its port"),
    ],
)
async def test_a_server_of_words_that_fails_is_no_fault_of_who_asks(
    answer: Event | bytes, said: str
) -> None:
    async with asr(answer=answer) as uri:
        status, told, kind = await words_over_http(uri)
    assert (status, kind) == (502, "server_error")
    assert told.endswith(said)


async def test_a_server_of_words_that_is_not_there_is_no_fault_of_who_asks(tmp_path: Path) -> None:
    status, told, kind = await words_over_http(f"unix://{tmp_path}/nobody")
    assert (status, kind) == (502, "server_error")
    assert told.endswith(": start it, or write the words yourself")


async def test_a_server_of_words_that_is_silent_is_told_as_such(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wyoming_csm.transcription.SECONDS", 0.1)
    async with silent() as uri:
        status, told, kind = await words_over_http(uri)
    assert (status, kind) == (504, "server_error")
    assert "gave no answer in time" in told


async def test_without_such_a_server_it_says_so() -> None:
    async with doors(FakeEngine()) as both:
        status, found = await asked(both, "POST", "/api/clips/transcribe", data=form())
    assert status == 409
    assert "http: {asr:" in found["error"]["message"]
