"""Clients other than Home Assistant, each with the very events and the way of reading it has.

All leave their side open, read to `audio-stop` and then close; none reads on.
"""

import json

import msgspec
import pytest
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.tts import Synthesize, SynthesizeVoice

from tests.fakes import FakeEngine, fake_voice, frame
from tests.server.clients import Peer, audio, eventually, logged, peer, port_of, serving, types
from wyoming_csm.audio import silence
from wyoming_csm.server.listener import Server

PLAIN = ["audio-start", "audio-chunk", "audio-stop"]
SENTENCE = b"".join(map(frame, range(5)))
ANNA, BERT = fake_voice("anna"), fake_voice("bert")


def http_gateways_client(server: Server) -> AsyncClient:
    uri = f"tcp://127.0.0.1:{port_of(server)}"
    return AsyncClient.from_uri(uri, connect_timeout=10, read_timeout=10)


async def http_gateway(server: Server, text: str, voice: SynthesizeVoice | None = None) -> bytes:
    """The PCM of its WAV, whose header must be known from `audio-start` before all else."""
    pcm, start = b"", None
    async with http_gateways_client(server) as client:
        await client.write_event(Synthesize(text, voice=voice).event())
        while (event := await client.read_event()) is not None:
            if Error.is_type(event.type):
                raise RuntimeError(Error.from_event(event).text)
            if AudioStart.is_type(event.type):
                start = AudioStart.from_event(event)
                assert (start.rate, start.width, start.channels) == (24_000, 2, 1)
            assert start is not None
            if AudioChunk.is_type(event.type):
                pcm += AudioChunk.from_event(event).audio
            if AudioStop.is_type(event.type):
                return pcm
    raise AssertionError("the end before audio-stop")


async def test_wyomings_http_gateway() -> None:
    engine = FakeEngine(voices=(ANNA, BERT))
    async with serving(engine) as server:
        async with http_gateways_client(server) as client:
            await client.write_event(Describe().event())
            event = await client.read_event()
        assert event is not None
        assert [voice.name for voice in Info.from_event(event).tts[0].voices] == ["anna", "bert"]
        assert await http_gateway(server, "One is. Two is.") == SENTENCE * 2
        bert = SynthesizeVoice(name="bert", speaker=None)
        assert await http_gateway(server, "Three is.", bert) == SENTENCE
        assert await http_gateway(server, "🎉") == silence(0.1)
    assert [one.voice.name for one in engine.replies if one.closed] == ["anna", "bert"]


async def test_wyomings_http_gateway_is_told_of_an_error() -> None:
    async with serving(FakeEngine(fail_after=0)) as server:
        with pytest.raises(RuntimeError, match="told to fail"):
            await http_gateway(server, "Hello.")


def library_bytes(data: str) -> bytes:
    """A `synthesize` as wyoming 1.10.2 writes it, which both clients below leave it to."""
    raw = data.encode()
    return b'{"type": "synthesize", "version": "1.10.2", "data_length": %d}\n' % len(raw) + raw


YAKYAK = r'{"text": "Die Tür ist\noffen.\n", "voice": {"name": "en_US-amy-medium"}}'
OPENAI = '{"text": "Die Tür ist offen.", "voice": {"name": "bert"}}'


async def test_yakyak(caplog: pytest.LogCaptureFixture) -> None:
    """1.8.0: first it looks whether the port is open; by default it asks for a voice of Piper's.

    The first chunk tells it what sound it is.
    """
    engine = FakeEngine(voices=(ANNA, BERT))
    async with serving(engine) as server:
        async with peer(server):
            pass
        async with peer(server) as client:
            await client.send_bytes(library_bytes(YAKYAK))
            assert audio(await client.until("audio-stop")) == SENTENCE * 2
    assert engine.asked == ["Die Tür ist", "offen."]  # its input's lines
    (record,) = logged(caplog)
    assert "there is no voice 'en_US-amy-medium'; the voice is anna" in record.getMessage()


@pytest.mark.parametrize(
    ("data", "sound"),
    [
        (OPENAI, SENTENCE),
        (OPENAI.replace("bert", "alloy"), SENTENCE),
        (OPENAI.replace("Die Tür ist offen.", "🎉"), silence(0.1)),
        (OPENAI.replace("Die Tür ist offen.", ""), silence(0.1)),
    ],
    ids=["a voice of ours", "a voice of theirs", "emoji", "empty"],
)
async def test_wyoming_openai_gateway(data: str, sound: bytes) -> None:
    """0.2.1: the first answer must be `info`; a reply without `audio-chunk` is a status of 500.

    Its `speed` does not leave it.
    """
    async with serving(FakeEngine(voices=(ANNA, BERT))) as server:
        async with peer(server) as client:
            await client.send_bytes(b'{"type": "describe", "version": "1.10.2"}\n')
            assert types(await client.until("info")) == ["info"]
        async with peer(server) as client:
            await client.send_bytes(library_bytes(data))
            events = await client.until("audio-stop")
    assert types(events) == PLAIN
    assert audio(events) == sound


@pytest.mark.parametrize("data", [YAKYAK, OPENAI], ids=["yakyak", "wyoming-openai-gateway"])
async def test_a_client_without_errors_learns_of_them_by_the_end(data: str) -> None:
    async with serving(FakeEngine(fail_after=0)) as server, peer(server) as client:
        await client.send_bytes(library_bytes(data))
        assert "audio-chunk" not in types(await client.rest())


async def line(client: Peer, **event: object) -> None:
    """An event with its data inside the JSON line, as before `data_length` was invented."""
    await client.send_bytes(json.dumps(event, ensure_ascii=False).encode() + b"\n")


async def test_rhasspys_pipeline() -> None:
    """It forwards events to a client process that it kills at `audio-stop`."""
    engine = FakeEngine(voices=(ANNA, BERT))
    async with serving(engine) as server:
        for voice in (None, SynthesizeVoice(name="bert", speaker="0")):
            async with peer(server) as client:
                await client.send(Synthesize("Hello.", voice=voice).event())
                events = await client.until("audio-stop")
            assert types(events) == PLAIN
            assert audio(events) == SENTENCE
    assert [reply.voice.name for reply in engine.replies] == ["anna", "bert"]


async def test_rhasspys_first_events() -> None:
    """Only asking: answers have had their data after the line since then, for every client."""
    engine = FakeEngine()
    async with serving(engine) as server, peer(server) as client:
        await line(client, type="synthesize", data={"text": "Die Tür ist offen."})
        assert audio(await client.until("audio-stop")) == SENTENCE
    assert engine.asked == ["Die Tür ist offen."]


async def test_rhasspys_pipeline_killed_before_the_end() -> None:
    engine = FakeEngine(frames=100, frame_seconds=0.02)
    async with serving(engine) as server:
        async with peer(server) as client:
            await client.send(Synthesize("Long.").event())
            await client.until("audio-chunk")
        await eventually(lambda: engine.cancelled == ["Long."])


@pytest.mark.parametrize(("voice", "name"), [(b"{}", "anna"), (b'{"name":"bert"}', "bert")])
async def test_a_command_line_client(voice: bytes, name: str) -> None:
    """wyoming-cli, in Go, with the very bytes it sends: two requests on one connection."""
    engine = FakeEngine(voices=(ANNA, BERT))
    async with serving(engine) as server, peer(server) as client:
        await client.send_bytes(b'{"type":"describe","version":"","data":null}\n')
        assert types(await client.until("info")) == ["info"]
        await client.send_bytes(
            b'{"type":"synthesize","version":"",'
            b'"data":{"text":"One \\u003ctwo\\u003e.","voice":' + voice + b"}}\n"
        )
        events = await client.until("audio-stop")
    assert audio(events) == SENTENCE
    assert [reply.voice.name for reply in engine.replies] == [name]
    for event in events:  # it has a text for the timestamp, and stops at a number
        assert isinstance(event.data.get("timestamp"), str | None)
        assert len(event.payload or b"") <= 4096  # as much as it reads at once


@pytest.mark.parametrize("kind", ["ping", "synthesize-start", "synthesize-stop"])
async def test_data_that_is_null(kind: str) -> None:
    async with serving(FakeEngine()) as server, peer(server) as client:
        await client.send_bytes(b'{"type":"%s","version":"","data":null}\n' % kind.encode())
        await client.send_bytes(b'{"type":"synthesize-stop","data":null}\n')
        assert "error" not in types(await client.until("synthesize-stopped"))


async def test_a_speaker_as_home_assistants_scripts_send_it() -> None:
    """`options: {speaker: 0}` in YAML is a number, and goes out as one."""
    engine = FakeEngine(voices=(msgspec.structs.replace(ANNA, speakers=("0", "1")), BERT))
    async with serving(engine) as server:
        for voice in ({"name": "anna", "speaker": 1}, {"name": "bert", "speaker": 0}):
            async with peer(server) as client:
                await client.send(Event("synthesize", {"text": "Hello.", "voice": voice}))
                assert audio(await client.until("audio-stop")) == SENTENCE
    assert [reply.voice.name for reply in engine.replies] == ["anna", "bert"]
