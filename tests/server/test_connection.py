"""One connection: every order of requests is answered, in order, in the format promised."""

import asyncio
import json
import logging

import pytest
from msgspec.structs import replace
from wyoming.audio import AudioChunk, AudioStart
from wyoming.client import AsyncTcpClient
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeVoice,
)

from tests.fakes import FakeEngine, fake_voice, frame
from tests.server.clients import (
    audio,
    eventually,
    library_client,
    logged,
    peer,
    say,
    serving,
    types,
)
from wyoming_csm.audio import silence
from wyoming_csm.config import Limits
from wyoming_csm.engines.fallback import Fallback

START, STOP = SynthesizeStart().event(), SynthesizeStop().event()
PLAIN = ["audio-start", "audio-chunk", "audio-stop"]
STREAM = [*PLAIN, "synthesize-stopped"]
SENTENCE = b"".join(map(frame, range(5)))


def chunk(text: str) -> Event:
    return SynthesizeChunk(text).event()


async def until(client: AsyncTcpClient, last: str) -> list[Event]:
    """What the library's client reads up to the first event of this type, or the end."""
    events: list[Event] = []
    while (not events or events[-1].type != last) and (event := await client.read_event()):
        events.append(event)
    return events


async def test_home_assistants_plain_request() -> None:
    engine = FakeEngine()
    async with serving(engine) as server, library_client(server) as client:
        voice = SynthesizeVoice(name="fake_en")
        await client.write_event(Synthesize("Hello there.", voice=voice).event())
        events = await until(client, "audio-stop")
    assert types(events) == PLAIN
    assert audio(events) == SENTENCE
    assert engine.asked == engine.finished == ["Hello there."]
    assert [reply.closed for reply in engine.replies] == [1]


async def test_home_assistants_stream_is_spoken_once() -> None:
    engine = FakeEngine()
    async with serving(engine) as server, library_client(server) as client:
        deltas = ["The lig", "ht is", " on. It", " is warm", ". "]
        await client.write_event(START)
        for delta in deltas:
            await client.write_event(chunk(delta))
        await client.write_event(say("".join(deltas)))
        await client.write_event(STOP)
        events = await until(client, "synthesize-stopped")
    assert types(events) == STREAM
    assert audio(events) == SENTENCE * 2
    assert engine.asked == ["The light is on.", "It is warm."]
    assert len(engine.replies) == 1


async def test_a_sentence_is_spoken_while_the_rest_is_still_written() -> None:
    engine = FakeEngine()
    async with serving(engine) as server, peer(server) as client:
        await client.send(START, chunk("The light is on. And"))
        received = [event for _ in range(6) if (event := await client.read()) is not None]
        assert types(received) == ["audio-start", "audio-chunk"]
        assert engine.asked == ["The light is on."]
        await client.send(chunk(" so on."), STOP)
        assert types(await client.until("synthesize-stopped")) == STREAM[1:]
    assert engine.asked == ["The light is on.", "And so on."]


async def test_chunks_are_even_but_the_first_and_without_timestamps() -> None:
    """The first sound does not wait until it fills a chunk."""
    engine = FakeEngine(frames=4)  # 7680 samples
    async with serving(engine, samples_per_chunk=3000) as server, peer(server) as client:
        await client.send(say())
        events = await client.until("audio-stop")
    assert AudioStart.from_event(events[0]).rate == 24_000
    chunks = [AudioChunk.from_event(event) for event in events[1:-1]]
    assert [one.samples for one in chunks] == [1920, 3000, 2760]
    assert {event.data["timestamp"] for event in events} == {None}  # what the library sends
    assert audio(events) == b"".join(map(frame, range(4)))


async def test_a_sentences_end_does_not_wait_for_the_next() -> None:
    engine = FakeEngine(frames=1)
    async with serving(engine, samples_per_chunk=1500) as server, peer(server) as client:
        await client.send(START, chunk("One is. Two"))
        received = [await client.read() for _ in range(3)]
        assert audio([event for event in received if event is not None]) == frame(0)
        await client.send(STOP)
        await client.until("synthesize-stopped")


@pytest.mark.parametrize("text", ["", "   ", "🎉🎉", "\n", "..."])
async def test_unspeakable_text_is_a_moment_of_silence_and_no_error(text: str) -> None:
    """Clients that make a file of what they receive fail on none."""
    engine = FakeEngine()
    async with serving(engine) as server, peer(server) as client:
        await client.send(say(text), START, chunk(text), say(text), STOP, Ping().event())
        events = await client.until("synthesize-stopped")
        await client.until("pong") if "pong" not in types(events) else None
    plain = [event for event in events if event.type != "pong"]
    assert types(plain) == [*PLAIN, *STREAM]
    assert audio(plain) == silence(0.1) * 2
    assert engine.asked == []


async def test_several_requests_are_answered_in_order() -> None:
    engine = FakeEngine(frames=1)
    async with serving(engine) as server, peer(server) as client:
        await client.send(say("One."), START, chunk("Two."), STOP, say("Three."))
        events = await client.until("synthesize-stopped") + await client.until("audio-stop")
    assert types(events) == [*PLAIN, *STREAM, *PLAIN]
    assert engine.asked == ["One.", "Two.", "Three."]


@pytest.mark.parametrize(
    ("sent", "answers", "asked"),
    [
        ([START, chunk("One.")], STREAM, ["One."]),
        ([START, chunk("One."), START, chunk("Two."), STOP], STREAM * 2, ["One.", "Two."]),
        ([STOP], STREAM, []),
        ([chunk("One."), STOP], STREAM, ["One."]),
        ([START, say("One."), STOP, say("Two.")], STREAM + PLAIN, ["One.", "Two."]),
    ],
    ids=["no stop", "start after start", "stop without start", "no start", "plain after stream"],
)
async def test_unusual_orders_are_never_mute(
    sent: list[Event], answers: list[str], asked: list[str]
) -> None:
    engine = FakeEngine(frames=1)
    async with serving(engine) as server, peer(server) as client:
        await client.send(*sent)
        client.writer.write_eof()
        assert types(await client.rest()) == answers
    assert engine.asked == asked


async def test_an_abandoned_stream_is_answered_and_then_cut_off() -> None:
    engine = FakeEngine(frames=1)
    limits = Limits(idle_seconds=0.1)
    async with serving(engine, limits=limits) as server, peer(server) as client:
        await client.send(START, chunk("One"))
        assert types(await client.rest()) == STREAM


async def test_idling_is_cut_off_but_not_while_speaking() -> None:
    engine = FakeEngine(frames=4, frame_seconds=0.1)
    limits = Limits(idle_seconds=0.1)
    async with serving(engine, limits=limits) as server:
        async with peer(server) as client:
            assert await client.rest() == []
        async with peer(server) as client:
            await client.send(say())
            await asyncio.sleep(0.2)
            await client.send(Ping().event())
            assert "pong" in types(await client.rest())


async def test_idling_begins_when_the_reply_is_over() -> None:
    engine = FakeEngine(frames=5, frame_seconds=0.1)
    limits = Limits(idle_seconds=0.25)
    async with serving(engine, limits=limits) as server, peer(server) as client:
        await client.send(say())
        await client.until("audio-stop")  # after 0.4 s
        await asyncio.sleep(0.15)
        await client.send(say())
        assert types(await client.rest()) == PLAIN


async def test_describe_and_ping_while_speaking() -> None:
    engine = FakeEngine()
    engine.hold.clear()
    async with serving(engine) as server, peer(server) as client:
        await client.send(say(), Describe().event(), Ping("are you there").event())
        info, pong = await client.read(), await client.read()
        assert info is not None
        assert pong is not None
        assert Info.from_event(info).tts[0].voices[0].name == "fake_en"
        assert Pong.from_event(pong).text == "are you there"
        engine.hold.set()
        assert types(await client.until("audio-stop")) == PLAIN


@pytest.mark.parametrize(
    ("text", "answer"), [(None, None), ("a", "a"), (5, "5"), (["a"], '["a"]'), ("\ud83d", "\ufffd")]
)
async def test_a_pong_has_the_pings_text(text: object, answer: str | None) -> None:
    async with serving(FakeEngine()) as server, peer(server) as client:
        await client.send_bytes(
            json.dumps({"type": "ping", "data": {"text": text}}).encode() + b"\n"
        )
        (pong,) = await client.until("pong")
    assert pong.data == {"text": answer}


async def test_unknown_events_are_ignored() -> None:
    async with serving(FakeEngine()) as server, peer(server) as client:
        await client.send(Event("select-program", {"name": "x"}), Event("from-the-future"), say())
        assert types(await client.until("audio-stop")) == PLAIN


async def test_one_line_for_a_reply_and_never_its_text(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with serving(FakeEngine()) as server, peer(server) as client:
        await client.send(say("A secret. Another."))
        await client.until("audio-stop")
        await eventually(lambda: bool(logged(caplog)))
    (record,) = [one for one in logged(caplog) if one.name.startswith("wyoming_csm.answer")]
    line = record.getMessage()
    assert line.startswith(
        "Spoken for 127.0.0.1 by fake/fake_en: 2 sentences, 0.8 s of sound, TTFA"
    )
    assert "RTF 0." in line
    assert "secret" not in caplog.text


async def test_a_reply_that_is_cut_off_is_logged_with_the_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)

    def lines() -> list[str]:
        ours = [one for one in logged(caplog) if one.name == "wyoming_csm.answer"]
        return [one.getMessage().partition(",")[0] for one in ours]

    engine = FakeEngine()
    engine.hold.clear()
    cut = "Cut off for 127.0.0.1"
    async with serving(engine) as server:
        async with peer(server) as client:
            await client.send(say())
            await eventually(lambda: engine.speaking == 1)
        await eventually(lambda: len(lines()) == 1)
        async with peer(server) as client:
            await client.send(say())
            await eventually(lambda: engine.speaking == 1)
            await client.send_bytes(b"no header\n")
            await client.rest()
        engine.fail_after = 2
        engine.hold.set()
        async with peer(server) as client:
            await client.send(say())
            await client.rest()
        engine.hold.clear()
        async with peer(server) as client:
            await client.send(say())
            await eventually(lambda: engine.speaking == 1)
            await server.__aexit__(None, None, None)
    left, babbled, failed, stopped = lines()
    assert left == f"{cut} (the client left): 1 sentence"
    assert babbled.startswith(f"{cut} (")
    assert "the client left" not in babbled
    assert failed == f"{cut} (fake was told to fail after 2 frames) by fake/fake_en: 1 sentence"
    assert stopped == f"{cut} (the server is stopping): 1 sentence"


async def test_a_voice_that_cannot_be_used_is_named_once_when_it_is_asked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken = replace(fake_voice("bob"), fault="it is silent")
    house = Fallback([FakeEngine(voices=(broken,)), FakeEngine("system")])
    async with serving(house) as server, peer(server) as client:
        for _ in range(2):
            await client.send(Synthesize("Hello.", voice=SynthesizeVoice(name="bob")).event())
            await client.until("audio-stop")
    lines = [one.getMessage() for one in logged(caplog) if "cannot be used" in one.getMessage()]
    assert lines == ["system/system_en speaks for bob, which cannot be used: it is silent"]


async def test_pauses_between_requests_do_not_end_the_connection() -> None:
    async with serving(FakeEngine(frames=1)) as server, peer(server) as client:
        for _ in range(3):
            await client.send(say())
            await client.until("audio-stop")
            await asyncio.sleep(0.01)
