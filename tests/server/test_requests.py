"""Events to requests, in the usual order and in every other."""

import asyncio

import pytest
from wyoming.event import Event
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeVoice,
)

from wyoming_csm.config import Limits
from wyoming_csm.errors import ProtocolError
from wyoming_csm.server.requests import Request, RequestReader
from wyoming_csm.voice_choice import VoiceRequest

START, STOP = SynthesizeStart().event(), SynthesizeStop().event()


def chunk(text: str) -> Event:
    return SynthesizeChunk(text).event()


def whole(text: str) -> Event:
    return Synthesize(text).event()


async def read(
    *events: Event, end: bool = True, most: int = 100, complaints: list[str] | None = None
) -> list[Request]:
    found: list[Request] = []
    complain = ([] if complaints is None else complaints).append
    reader = RequestReader(Limits(text_characters=most), found.append, complain)
    for event in events:
        reader.take(event)
    if end:
        reader.end()
    return found


async def text_of(request: Request) -> str:
    text = ""
    while (more := await asyncio.wait_for(request.text.take(), 10)) is not None:
        text += more
    return text


async def texts(*events: Event) -> list[tuple[str, bool]]:
    """Each request's text, and whether it is a stream."""
    return [(await text_of(request), request.streamed) for request in await read(*events)]


async def test_the_usual_orders() -> None:
    assert await texts(whole("a"), whole("b")) == [("a", False), ("b", False)]
    assert await texts(START, chunk("a"), chunk(""), chunk("b"), STOP) == [("ab", True)]
    assert await texts(whole("a"), START, chunk("b"), STOP, whole("c")) == [
        *[("a", False), ("b", True), ("c", False)]
    ]


async def test_the_repeated_text_of_a_stream_is_said_once() -> None:
    assert await texts(START, chunk("a"), chunk("b"), whole("ab"), STOP) == [("ab", True)]
    assert await texts(START, chunk("a"), whole("ab"), chunk("b"), STOP) == [("ab", True)]
    assert await texts(START, whole("ab"), chunk("a"), chunk("b"), STOP) == [("ab", True)]


async def test_a_stream_with_nothing_but_the_repeated_text() -> None:
    assert await texts(START, whole("ab"), STOP) == [("ab", True)]
    assert await texts(START, whole("ab"), STOP, START, STOP) == [("ab", True), ("", True)]


async def test_no_order_is_left_without_an_answer() -> None:
    assert await texts(START, chunk("a")) == [("a", True)]  # no stop
    assert await texts(START, chunk("a"), START, chunk("b"), STOP) == [("a", True), ("b", True)]
    assert await texts(chunk("a"), chunk("b"), STOP) == [("ab", True)]  # no start
    assert await texts(STOP) == [("", True)]
    assert await texts(START, STOP, STOP) == [("", True), ("", True)]
    assert await texts(whole("")) == [("", False)]


async def test_a_request_begins_with_its_first_event() -> None:
    (request,) = await read(START, end=False)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(request.text.take(), 0.01)


async def test_what_else_is_said_about_it() -> None:
    voice = SynthesizeVoice(name="anna", speaker="glad")
    (request,) = await read(Synthesize("a", voice=voice).event())
    assert (request.wanted, request.ssml) == (VoiceRequest(name="anna", speaker="glad"), False)
    data = {"text": "a", "voice": {"language": "de"}, "text_format": "ssml", "context": {"x": 1}}
    (request,) = await read(Event("synthesize", data))
    assert (request.wanted, request.ssml) == (VoiceRequest(language="de"), True)


async def test_events_that_ask_for_nothing_are_ignored() -> None:
    assert await read(Event("select-program", {"name": "x"}), Event("transcribe", {})) == []


NOT_WYOMING = [
    Event("synthesize", {}),
    Event("synthesize", {"voice": {"name": "anna"}}),
    Event("synthesize", {"text": ["a"]}),
    Event("synthesize", {"text": {"a": "b"}}),
    Event("synthesize-chunk", {"text": ["a"]}),
    Event("synthesize-chunk", {}),
]


@pytest.mark.parametrize("event", NOT_WYOMING, ids=str)
async def test_what_is_not_wyoming(event: Event) -> None:
    with pytest.raises(ProtocolError, match="synthesize"):
        await read(event)


@pytest.mark.parametrize(
    ("text", "said"),
    [(42, "42"), (21.5, "21.5"), (True, "true"), (None, ""), ("\ud83d", "\ud83d")],
)
async def test_what_is_no_text_is_said_as_its_text(text: object, said: str) -> None:
    data = {"text": text}
    assert await texts(Event("synthesize", data)) == [(said, False)]
    assert await texts(START, Event("synthesize-chunk", data), STOP) == [(said, True)]
    assert await texts(START, Event("synthesize", data), STOP) == [(said, True)]


WISHES = [
    (None, VoiceRequest()),
    ({}, VoiceRequest()),
    ([], VoiceRequest()),
    ({"name": None, "language": None, "speaker": None}, VoiceRequest()),
    ({"name": None, "language": "de"}, VoiceRequest(language="de")),
    ({"name": "anna", "speaker": 0}, VoiceRequest(name="anna", speaker="0")),
    ({"name": 5, "speaker": 1.5}, VoiceRequest(name="5", speaker="1.5")),
    ({"name": True}, VoiceRequest(name="true")),
    (
        {"name": ["a", "ü"], "speaker": {"id": 1}},
        VoiceRequest(name='["a", "ü"]', speaker='{"id": 1}'),
    ),
    ({"language": ["de"]}, VoiceRequest(language='["de"]')),
    ({"name": "n" * 5000}, VoiceRequest(name="n" * 257)),
    ({"name": "\ud83d"}, VoiceRequest(name="\ufffd")),
    ("anna", VoiceRequest(name="anna")),
    (0, VoiceRequest(name="0")),
    (False, VoiceRequest(name="false")),
    (["anna"], VoiceRequest(name='["anna"]')),
]


@pytest.mark.parametrize(("voice", "wanted"), WISHES, ids=lambda value: str(value)[:40])
async def test_every_voice_is_read(voice: object, wanted: VoiceRequest) -> None:
    for events in (
        [Event("synthesize", {"text": "a", "voice": voice})],
        [Event("synthesize-start", {"voice": voice}), STOP],
    ):
        (request,) = await read(*events)
        assert (request.wanted, request.complaint) == (wanted, "")


@pytest.mark.parametrize(
    ("text_format", "ssml", "complaint"),
    [
        *((plain, False, "") for plain in (None, "text", "", "Text")),
        *((ssml, True, "") for ssml in ("ssml", "SSML")),
        (1, False, "there is no text format '1'"),
        ("markdown" * 20, False, f"there is no text format '{('markdown' * 20)[:60]}'"),
        (["ssml"], False, "there is no text format '[\"ssml\"]'"),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_every_format_is_read(text_format: object, ssml: bool, complaint: str) -> None:
    (request,) = await read(Event("synthesize", {"text": "a", "text_format": text_format}))
    assert (request.ssml, request.complaint) == (ssml, complaint)


@pytest.mark.parametrize(
    "events",
    [
        [whole("x" * 101)],
        [START, chunk("x" * 60), chunk("x" * 41), chunk("x" * 1000), STOP],
        [START, whole("x" * 101), STOP],
    ],
    ids=["whole", "in chunks", "repeated"],
)
async def test_what_is_too_long_is_cut_and_said_once(events: list[Event]) -> None:
    complaints: list[str] = []
    (request,) = await read(*events, complaints=complaints)
    assert await text_of(request) == "x" * 100
    assert request.text.cut
    assert complaints == ["is longer than 100 characters"]


async def test_each_request_may_be_as_long_as_allowed() -> None:
    complaints: list[str] = []
    requests = await read(
        *[whole("x" * 100), START, chunk("x" * 100), whole("x" * 200), STOP], complaints=complaints
    )
    assert [request.text.cut for request in requests] == [False, False]
    assert complaints == []
