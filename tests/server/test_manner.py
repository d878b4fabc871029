"""How a request wants to be spoken: its voice, its speaker, its text's format."""

import logging

import msgspec
import pytest
from wyoming.event import Event
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStop, SynthesizeVoice

from tests.fakes import FakeEngine, fake_voice, frame
from tests.server.clients import audio, logged, peer, serving, types


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
    warnings = [one.getMessage() for one in logged(caplog) if one.levelno == logging.WARNING]
    (warning,) = warnings  # rate-limited
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
    assert chosen == ["glad"]


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
    assert engine.pauses == []  # silence is the door's
