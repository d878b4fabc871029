"""How a request wants to be spoken: its voice, its speaker, its text's format."""

import logging

import msgspec
import numpy as np
import pytest
from wyoming.event import Event
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStop, SynthesizeVoice

from tests.fakes import FakeEngine, fake_voice, frame
from tests.server.clients import audio, logged, peer, say, serving, types, warnings


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


@pytest.mark.parametrize("seconds", ["0.5", "1", "1.2345", "2.00004", "0.0417", "7.31"])
async def test_a_break_is_exact_to_the_sample(seconds: str) -> None:
    pause = bytes(2 * round(float(seconds) * 24_000))
    for text in (
        f"<speak>One is one.<break time='{seconds}s'/>Two is two.</speak>",
        f"One is one. [pause {seconds}s] Two is two.",
    ):
        engine = FakeEngine(frames=1)
        async with serving(engine) as server, peer(server) as client:
            await client.send(Synthesize(text).event())
            sound = audio(await client.until("audio-stop"))
            await client.send(Event("synthesize-start"))
            await client.send(*(SynthesizeChunk(char).event() for char in text))
            await client.send(SynthesizeStop().event())
            assert audio(await client.until("synthesize-stopped")) == sound
        assert engine.asked == ["One is one.", "Two is two."] * 2
        assert sound == frame(0) + pause + frame(0)


async def test_prosody_changes_the_volume_and_no_more() -> None:
    engine = FakeEngine(frames=1)
    text = "<speak>One is. <prosody volume='-6.0206dB' rate='1'>Two is.</prosody> And three is"
    async with serving(engine) as server, peer(server) as client:
        await client.send(Synthesize(text).event())
        sound = np.frombuffer(audio(await client.until("audio-stop")), "<i2").astype(int)
    first, second, third = sound.reshape(3, -1)
    assert np.any(first)
    assert np.abs(second - first / 2).max() <= 1
    assert (third == first).all()
    assert engine.asked == ["One is.", "Two is.", "And three is"]


async def test_a_voice_of_ssml_speaks_what_it_holds() -> None:
    engine = FakeEngine(frames=1, voices=(fake_voice("anna"), fake_voice("zoe")))
    text = (
        "One is one. <voice name='zoe'>Two is two.</voice> Three is."
        "<voice name='x'>Four is.</voice><voice name='zoe'>Five is.</voice>"
    )
    async with serving(engine) as server, peer(server) as client:
        await client.send(Synthesize(f"<speak>{text}</speak>").event())
        assert audio(await client.until("audio-stop"))
    assert engine.asked == ["One is one.", "Two is two.", "Three is.", "Four is.", "Five is."]
    # Each voice has one tone: what it says is one reply.
    assert [(one.voice.name, one.texts) for one in engine.replies] == [
        ("anna", ["One is one.", "Three is.", "Four is."]),
        ("zoe", ["Two is two.", "Five is."]),
    ]


async def test_plain_text_is_read_as_a_text_without_a_format() -> None:
    said = []
    for more in ({}, {"text_format": "text"}):
        engine = FakeEngine(frames=1)
        async with serving(engine) as server, peer(server) as client:
            text = "One is one.<break time='1s'/>Two is."
            await client.send(Event("synthesize", {"text": text, **more}))
            said.append((audio(await client.until("audio-stop")), tuple(engine.asked)))
    assert said[0] == said[1] == (frame(0) + bytes(48_000) + frame(0), ("One is one.", "Two is."))


async def test_words_of_another_language_are_spoken_by_a_voice_that_has_it() -> None:
    voices = (fake_voice("anna"), fake_voice("hans", "de"), fake_voice("mia", "fr-FR"))
    engine = FakeEngine(frames=1, voices=voices)
    text = (
        "<speak>It is 5. <lang xml:lang='de-DE'>Es ist 5.</lang> And <s xml:lang='en-GB'>12/5</s>"
        "<voice name='mia'>Il est 5 h.<lang xml:lang='de'>Noch 6.</lang></voice>"
        "<voice name='x' language='fr'>Sept est 7.</voice><lang xml:lang='nl'>Nog 8.</lang></speak>"
    )
    async with serving(engine) as server, peer(server) as client:
        await client.send(Synthesize(text).event())
        assert audio(await client.until("audio-stop"))
    assert [(one.voice.name, one.texts) for one in engine.replies] == [
        ("anna", ["It is five.", "And", "The twelfth of May", "Nog eight."]),
        ("hans", ["Es ist fünf.", "Noch sechs."]),
        ("mia", ["Il est cinq heures.", "Sept est sept."]),
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("<think>Only this.", "A text of 127.0.0.1 is silent from <think> on"),
        (
            "<speak><lang xml:lang='de'>Two is.</lang> So <p xml:lang='it'>Due.</p></speak>",
            "A text of 127.0.0.1 asks for de, it: no voice here has it",
        ),
    ],
)
async def test_what_is_not_done_is_a_line_in_the_log(
    text: str, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with serving(FakeEngine(frames=1)) as server, peer(server) as client:
        await client.send(Synthesize(text).event())
        assert audio(await client.until("audio-stop"))  # perhaps of silence
    assert [one.getMessage() for one in logged(caplog)].count(line) == 1


async def test_a_request_that_cannot_be_fulfilled_is_a_warning_and_is_spoken(
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = FakeEngine(frames=1)
    asked = {"voice": {"name": 5, "speaker": 0}, "text_format": 1}
    async with serving(engine) as server, peer(server) as client:
        await client.send(Event("synthesize", {"text": 42, **asked}))
        assert audio(await client.until("audio-stop")) == frame(0)
    assert engine.asked == ["Forty-two"]
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


async def test_the_engine_gets_words_in_the_language_of_the_voice() -> None:
    engine = FakeEngine(frames=1)
    async with serving(engine) as server, peer(server) as client:
        await client.send(say("It is 35 μg/m³ at 10:30."))
        await client.until("audio-stop")
    assert engine.asked == ["It is thirty-five micrograms per cubic meter at ten thirty."]
