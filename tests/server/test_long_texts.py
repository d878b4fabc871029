"""Long texts: the loop is never held for long, and over the limit they are spoken up to it."""

import asyncio
import time

import pytest
from wyoming.event import Event
from wyoming.ping import Ping
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop

from tests.fakes import FakeEngine
from tests.server.clients import logged, peer, say, serving, types, warnings
from tests.server.test_wire import line
from wyoming_csm.config import Limits

LONG = Limits(text_characters=200_000, data_bytes=2**20)  # so that much is seen clearly
HELD_SECONDS = 0.05


@pytest.mark.parametrize(
    "event",
    [say("🎉 " * 100_000), Synthesize("<p/>" * 50_000, text_format="ssml").event()],
    ids=["text", "ssml"],
)
async def test_the_loop_goes_round_while_a_text_is_cut(event: Event) -> None:
    held = 0.0

    async def watch() -> None:
        nonlocal held
        while True:
            before = time.thread_time()  # of the loop's thread: other programs do not count
            await asyncio.sleep(0)
            held = max(held, time.thread_time() - before)

    async with serving(FakeEngine(frames=1), limits=LONG) as server, peer(server) as client:
        watching = asyncio.create_task(watch())
        await client.send(event)
        await client.until("audio-stop")
        watching.cancel()
    assert held < HELD_SECONDS


TOO_LONG = (
    "A text of 127.0.0.1 is longer than 40 characters (limits.text_characters):"
    " it is spoken up to the last sentence that ends before"
)
SHORT = Limits(text_characters=40)
START, STOP = SynthesizeStart().event(), SynthesizeStop().event()


def in_chunks(text: str) -> list[Event]:
    chunks = [SynthesizeChunk(text[at : at + 7]).event() for at in range(0, len(text), 7)]
    return [START, *chunks, say(text), STOP]


def ssml(text: str) -> Event:
    return Synthesize(text, text_format="ssml").event()


FORTY = "This is just forty, no more."
LONG_WORDS = "A sentence that is longer than all that is allowed."


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("One is one. Two is two. Three is three, and so on.", ["One is one.", "Two is two."]),
        (f"One is one. {FORTY} Three.", ["One is one.", FORTY]),
        (LONG_WORDS, [LONG_WORDS[:40].strip()]),
        ("x" * 100, ["x" * 40]),
    ],
    ids=["within a sentence", "after a sentence", "no sentence ends", "one word"],
)
async def test_over_the_limit_it_is_spoken_to_the_last_sentence_that_ends(
    text: str, asked: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    for sent, last in (
        ([say(text)], "audio-stop"),
        (in_chunks(text), "synthesize-stopped"),
        ([START, say(text), STOP], "synthesize-stopped"),
        ([ssml(text)], "audio-stop"),
    ):
        engine = FakeEngine(frames=1)
        caplog.clear()
        async with serving(engine, limits=SHORT) as server, peer(server) as client:
            await client.send(*sent)
            assert types(await client.until(last))[:3] == [
                "audio-start",
                "audio-chunk",
                "audio-stop",
            ]
            await client.send(Ping().event())  # nothing was wrong with the connection
            assert types(await client.until("pong")) == ["pong"]
        assert engine.asked == engine.finished == asked
        assert warnings(caplog) == [TOO_LONG]


async def test_a_report_of_more_than_ten_thousand_characters() -> None:
    """The default limit, and words to the last of it."""
    engine = FakeEngine(frames=1)
    async with serving(engine) as server, peer(server) as client:
        await client.send(say("Nine words stand here for each of the sentences. " * 300))
        await client.until("audio-stop")
    assert len(engine.asked) == 10_000 // 49
    assert set(engine.asked) == {"Nine words stand here for each of the sentences."}


@pytest.mark.parametrize(("more", "complaints"), [("", 0), ("!", 1)], ids=["10 000", "10 001"])
@pytest.mark.parametrize("letter", ["a", "я", "𠀀"])
async def test_the_default_limit_escaped_within_the_json_line(
    letter: str, more: str, complaints: int, caplog: pytest.LogCaptureFixture
) -> None:
    """As Rhasspy's first clients sent it: up to 12 bytes for each character."""
    engine, sentence = FakeEngine(frames=1), f"{letter * 4} " * 19 + f"{letter * 3}. "
    async with serving(engine) as server, peer(server) as client:
        await client.send_bytes(line(type="synthesize", data={"text": sentence * 100 + more}))
        assert types(await client.until("audio-stop"))[0] == "audio-start"
    assert "".join(engine.finished).replace(" ", "") == (sentence * 100).replace(" ", "")
    assert len(logged(caplog)) == complaints


@pytest.mark.parametrize(
    ("text", "asked", "pauses"),
    [
        ('<speak><p>One.</p><break time="1s"/>Two', ["One."], 1),
        ("<speak>One. Two is <emphasis>two</emphasis>.", ["One."], 0),
        ("<speak>One & two < three. Two <p>", ["One & two < three."], 0),
        ("<speak>One.<s>Two.</s>Three.", ["One.", "Two."], 0),
    ],
    ids=["in a word", "in a tag", "broken", "in a sentence"],
)
async def test_ssml_over_the_limit(text: str, asked: list[str], pauses: int) -> None:
    engine = FakeEngine(frames=1)
    limits = Limits(text_characters=len(text) - 2)
    async with serving(engine, limits=limits) as server, peer(server) as client:
        await client.send(ssml(text))
        events = await client.until("audio-stop")
    assert engine.asked == asked
    silent = [event for event in events if event.payload and not any(event.payload)]
    assert len(silent) == pauses * 13  # 1 s in chunks of 80 ms


async def test_only_a_request_without_any_sound_is_an_error() -> None:
    for sent in ([say("🎉" * 41)], [START, say("🎉" * 41), STOP], [ssml("<p/>" * 11)]):
        async with serving(FakeEngine(), limits=SHORT) as server, peer(server) as client:
            await client.send(*sent)
            assert types(await client.rest()) == ["error"]
