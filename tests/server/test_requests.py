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
from wyoming_csm.errors import ProtocolError, RequestError
from wyoming_csm.server.requests import Request, RequestReader, Wanted

START, STOP = SynthesizeStart().event(), SynthesizeStop().event()


def chunk(text: str) -> Event:
    return SynthesizeChunk(text).event()


def whole(text: str) -> Event:
    return Synthesize(text).event()


async def read(*events: Event, end: bool = True, most: int = 100) -> list[Request]:
    found: list[Request] = []
    reader = RequestReader(Limits(text_characters=most), found.append)
    for event in events:
        reader.take(event)
    if end:
        reader.end()
    return found


async def texts(*events: Event) -> list[tuple[str, bool]]:
    """Each request's text, and whether it is a stream."""
    found = []
    for request in await read(*events):
        text = ""
        while (more := await asyncio.wait_for(request.text.take(), 1)) is not None:
            text += more
        found.append((text, request.streamed))
    return found


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
    assert (request.wanted, request.ssml) == (Wanted(name="anna", speaker="glad"), False)
    data = {"text": "a", "voice": {"language": "de"}, "text_format": "ssml", "context": {"x": 1}}
    (request,) = await read(Event("synthesize", data))
    assert (request.wanted, request.ssml) == (Wanted(language="de"), True)


async def test_events_that_ask_for_nothing_are_ignored() -> None:
    assert await read(Event("select-program", {"name": "x"}), Event("transcribe", {})) == []


NOT_WYOMING = [
    Event("synthesize", {"text": 5}),
    Event("synthesize", {"text": None}),
    Event("synthesize", {}),
    Event("synthesize", {"text": "a", "voice": None}),
    Event("synthesize", {"text": "a", "voice": "anna"}),
    Event("synthesize", {"text": "a", "voice": {"name": 5}}),
    Event("synthesize", {"text": "a", "voice": {"name": "anna", "speaker": 1}}),
    Event("synthesize", {"text": "a", "voice": {"language": []}}),
    Event("synthesize", {"text": "a", "voice": {"name": "n" * 257}}),
    Event("synthesize", {"text": "a", "text_format": 1}),
    Event("synthesize-start", {"voice": None}),
    Event("synthesize-chunk", {"text": ["a"]}),
    Event("synthesize-chunk", {}),
]


@pytest.mark.parametrize("event", NOT_WYOMING, ids=str)
async def test_what_is_not_wyoming(event: Event) -> None:
    with pytest.raises(ProtocolError, match="synthesize"):
        await read(event)


@pytest.mark.parametrize(
    "events",
    [
        [whole("x" * 101)],
        [START, chunk("x" * 60), chunk("x" * 41)],
        [START, whole("x" * 101)],
    ],
    ids=["whole", "in chunks", "repeated"],
)
async def test_too_long(events: list[Event]) -> None:
    with pytest.raises(RequestError, match="100 characters"):
        await read(*events, end=False)


async def test_each_request_may_be_as_long_as_allowed() -> None:
    assert len(await texts(whole("x" * 100), START, chunk("x" * 100), STOP)) == 2
