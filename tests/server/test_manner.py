"""How a request wants to be spoken: its voice, its speaker, its text's format."""

import msgspec
import pytest
from wyoming.event import Event
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStop, SynthesizeVoice

from tests.fakes import FakeEngine, fake_voice, frame
from tests.server.clients import audio, peer, serving, types, warnings


async def test_an_unknown_voice_gets_the_default_and_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = FakeEngine(voices=(fake_voice("hans", "de"), fake_voice("anna")))
    async with serving(engine) as server, peer(server) as client:
        voice = SynthesizeVoice(name="../../etc/passwd")
        for _ in range(3):
            await client.send(Synthesize("Hello.", voice=voice).event())
            assert types(await client.until("audio-stop")) == [
                "audio-start",
                "audio-chunk",
                "audio-stop",
            ]
    assert {reply.voice.name for reply in engine.replies} == {"anna"}
    (warning,) = warnings(caplog)  # rate-limited
    assert "'../../etc/passwd'" in warning


async def test_the_speaker_of_a_voice() -> None:
    anna = msgspec.structs.replace(fake_voice("anna"), speakers=("calm", "glad"))
    chosen: list[str] = []

    class Listening(FakeEngine):
        def voice_for(self, voice):  # type: ignore[no-untyped-def]
            chosen.append(voice.speaker)
            return super().voice_for(voice)

    async with serving(Listening(voices=(anna,))) as server, peer(server) as client:
        await client.send(
            Synthesize("Hello.", voice=SynthesizeVoice(name="anna", speaker="glad")).event()
        )
        await client.until("audio-stop")
    assert chosen[0] == "glad"


async def test_ssml_is_spoken_without_its_tags() -> None:
    engine = FakeEngine(frames=1)
    async with serving(engine) as server, peer(server) as client:
        text = '<speak>One.<break time="500ms"/>Two.</speak>'
        await client.send(Event("synthesize", {"text": text, "text_format": "ssml"}))
        sound = audio(await client.until("audio-stop"))
        await client.send(
            Event("synthesize-start", {"text_format": "ssml"}),
            SynthesizeChunk(text[:20]).event(),
            SynthesizeChunk(text[20:]).event(),
        )
        await client.send(SynthesizeStop().event())
        assert audio(await client.until("synthesize-stopped")) == sound
    assert engine.asked == ["One.", "Two."] * 2
    assert sound == frame(0) + bytes(24_000) + frame(0)


async def test_a_request_that_cannot_be_fulfilled_is_a_warning_and_is_spoken(
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = FakeEngine(frames=1)
    asked = {"voice": {"name": 5, "speaker": 0}, "text_format": 1}
    async with serving(engine) as server, peer(server) as client:
        await client.send(Event("synthesize", {"text": 42, **asked}))
        assert audio(await client.until("audio-stop")) == frame(0)
    assert engine.asked == ["42"]
    (warning,) = warnings(caplog)
    assert warning == (
        "A request from 127.0.0.1 cannot be fulfilled exactly: there is no voice '5';"
        " there is no text format '1'; the voice is fake_en"
    )


async def test_a_character_that_comes_in_two_halves() -> None:
    """As a program with 16-bit characters cuts a text: neither half is lost with its words."""
    engine = FakeEngine(frames=1)
    async with serving(engine) as server, peer(server) as client:
        for half in (b'"Hi \\ud842"', b'"\\udfb7 there."'):
            data = b'{"type":"synthesize-chunk","data":{"text":' + half + b"}}\n"
            await client.send_bytes(data)
        await client.send(SynthesizeStop().event())
        await client.until("synthesize-stopped")
    assert engine.asked == ["Hi \U00020bb7 there."]
