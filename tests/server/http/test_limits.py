"""Too large, too slow, too many: each is refused, and costs nobody else anything."""

import asyncio
import time
from contextlib import AsyncExitStack

import pytest

from tests.fakes import FakeEngine
from tests.server.clients import eventually, peer, say, warnings
from tests.server.http.doors import doors
from tests.server.http.raw import HEAD, Raw, raw
from wyoming_csm.config import Limits

SPEECH = "/v1/audio/speech"
WISH = {"input": "One is.", "response_format": "pcm"}
POST = b"POST /v1/audio/speech HTTP/1.1\r\nHost: a.local\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize("begun", [b"", b"GET", HEAD], ids=["nothing", "a word", "half a head"])
async def test_a_head_that_does_not_come_is_not_waited_for(begun: bytes) -> None:
    async with doors(FakeEngine(), limits=Limits(event_seconds=0.1)) as both, raw(both) as slow:
        slow.send(begun)
        assert await slow.rest() == b""
        await eventually(lambda: not both.http.connections)


async def test_a_second_head_has_its_time_too() -> None:
    async with doors(FakeEngine(), limits=Limits(event_seconds=0.1)) as both, raw(both) as slow:
        slow.send(HEAD + b"\r\n")
        assert await slow.status() == 200
        slow.send(HEAD)
        assert b"Fake_en" in await slow.rest()  # of the first answer


async def test_a_body_that_does_not_come_is_a_408() -> None:
    async with doors(FakeEngine(), limits=Limits(event_seconds=0.1)) as both, raw(both) as slow:
        slow.send(POST + b"Content-Length: 30\r\n\r\n{")
        assert await slow.status() == 408


@pytest.mark.parametrize("path", ["/api/words", "/api/clips/judge", "/api/convert"])
@pytest.mark.parametrize("fill", [b";", b"("])
async def test_a_long_type_is_refused_at_once(path: str, fill: bytes) -> None:
    """The standard library takes seconds for the one, and all frames of its stack for the other."""
    head = POST.replace(b"/v1/audio/speech", path.encode())
    head = head.replace(b"application/json", b'"a' + fill * 15_000)
    async with doors(FakeEngine()) as both, raw(both) as hostile:
        began = time.thread_time()
        hostile.send(head + b"Content-Length: 2\r\n\r\n{}")
        assert await hostile.status() == 415
        assert time.thread_time() - began < 0.5  # 2 s, or a 500


@pytest.mark.parametrize("form", [True, False])
async def test_a_body_that_drips_is_a_408(form: bool) -> None:
    """Each byte comes in time, and all of them do not."""
    head = POST.replace(b"application/json", b"multipart/form-data; boundary=x") if form else POST
    head = head.replace(b"/v1/audio/speech", b"/api/clips/judge") if form else head
    begin = b'--x\r\nContent-Disposition: form-data; name="clip"\r\n\r\n' if form else b"{"

    async def drip(slow: Raw) -> None:
        while True:
            slow.send(b" ")
            await asyncio.sleep(0.05)

    async with doors(FakeEngine(), limits=Limits(event_seconds=0.3)) as both, raw(both) as slow:
        slow.send(head + b"Content-Length: 10000\r\n\r\n" + begin)
        dripping = asyncio.create_task(drip(slow))
        assert await slow.status() == 408
        dripping.cancel()


async def test_a_recording_that_does_not_come_is_a_408() -> None:
    head = b"POST /api/clips/judge HTTP/1.1\r\nHost: a.local\r\nContent-Length: 300\r\n"
    form = b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\nContent-Disposition: form"
    async with doors(FakeEngine(), limits=Limits(event_seconds=0.1)) as both, raw(both) as slow:
        slow.send(head + form)
        assert await slow.status() == 408


@pytest.mark.parametrize("told", [True, False])
async def test_a_body_that_is_too_large_is_a_413(told: bool) -> None:
    async with doors(FakeEngine(), limits=Limits(data_bytes=1_000)) as both, raw(both) as one:
        if told:
            one.send(POST + b"Content-Length: 1001\r\n\r\n")
        else:
            one.send(POST + b"Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + bytes(1_001) + b"\r\n")
        assert await one.status() == 413


@pytest.mark.parametrize("form", [True, False])
async def test_a_recording_that_is_too_large_is_a_413(form: bool) -> None:
    limits = Limits(upload_bytes=1_000, data_bytes=1_000)
    clip = bytes(2_500)
    kind = "multipart/form-data; boundary=x" if form else "audio/wav"
    body = (
        b'--x\r\nContent-Disposition: form-data; name="clip"; filename="a.wav"\r\n\r\n'
        + clip
        + b"\r\n--x--\r\n"
    )
    async with (
        doors(FakeEngine(), limits=limits) as both,
        both.client.post(
            "/api/clips/judge",
            data=body if form else clip,
            headers={"Content-Type": kind},
        ) as answer,
    ):
        assert answer.status == 413


async def test_a_form_of_many_fields_is_not_read_to_its_end() -> None:
    field = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n\r\n'
    body = b"".join(field % f"f{n}".encode() for n in range(16)) + field % b"clip" + b"--x--\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    async with (
        doors(FakeEngine()) as both,
        both.client.post("/api/clips/judge", data=body, headers=kind) as answer,
    ):
        assert "has no file `clip`" in await answer.text()


async def test_a_head_that_is_too_long_is_refused() -> None:
    async with doors(FakeEngine()) as both, raw(both) as one:
        one.send(HEAD + b"X: " + b"a" * 20_000 + b"\r\n\r\n")
        assert await one.status() == 400


@pytest.mark.parametrize("junk", [b"\x16\x03\x01\x02\x00\x01", b"{}\n", b"GET / HTTP/9.9\r\n\r\n"])
async def test_junk_is_refused_and_the_door_stays_open(junk: bytes) -> None:
    async with doors(FakeEngine()) as both:
        async with raw(both) as one:
            one.send(junk + b"\r\n\r\n")
            assert await one.status() in (0, 400)
        async with both.client.get("/health") as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    "header",
    [b"PROXY TCP4 192.168.1.9 10.0.0.1 1 8002\r\n", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"],
)
async def test_a_proxy_header_of_a_stranger_is_told_with_what_helps(
    header: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with doors(FakeEngine()) as both, raw(both) as one:
        one.send(header + HEAD + b"\r\n")
        answer = await one.rest()
        assert answer.split(b" ", 2)[1] == b"400"
        assert b"see balancer.proxies" in answer
    assert warnings(caplog) == [
        "Refused a PROXY header at the HTTP port, from 127.0.0.1, an address that is no balancer's:"
        " name it in balancer.proxies, or let it send none"
    ]


async def test_a_flood_of_junk_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    async with doors(FakeEngine()) as both:
        for _ in range(20):
            async with raw(both) as one:
                one.send(b"rubbish\r\n\r\n")
                await one.status()
    assert warnings(caplog) == ["Refused a connection that does not speak HTTP"]
    assert "Traceback" not in caplog.text


async def test_where_all_are_spoken_to_one_more_is_told_to_come_again() -> None:
    engine = FakeEngine()
    engine.hold.clear()
    limits = Limits(connections=3)
    async with doors(engine, limits=limits) as both, AsyncExitStack() as stack:
        speaking = [asyncio.create_task(both.client.post(SPEECH, json=WISH)) for _ in range(2)]
        wyoming = await stack.enter_async_context(peer(both.wyoming, "127.0.0.2"))
        await wyoming.send(say())
        await eventually(lambda: engine.speaking == 3)
        async with both.client.get("/api/voices") as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
            assert (await answer.json())["error"]["type"] == "overloaded_error"
        engine.hold.set()
        for one in speaking:
            async with await one as answer:
                assert len(await answer.read()) == 5 * 3_840
        await wyoming.until("audio-stop")
        async with both.client.get("/health") as answer:  # one that idles makes room
            assert answer.status == 200


async def test_a_probe_is_answered_where_all_are_spoken_to_and_the_doorway_is_full() -> None:
    """Or an orchestrator would end what only has much to do."""
    engine = FakeEngine()
    engine.hold.clear()
    async with doors(engine, limits=Limits(connections=2)) as both, AsyncExitStack() as stack:
        sources = ("127.0.0.2", "127.0.0.3")
        busy = [await stack.enter_async_context(peer(both.wyoming, one)) for one in sources]
        for client in busy:
            await client.send(say())
        await eventually(lambda: engine.speaking == 2)
        for _ in range(40):
            await stack.enter_async_context(raw(both, "127.0.0.4"))
        for path in ("/health", "/health/live", "/health?engine=fake"):
            async with both.client.get(path) as answer:
                assert answer.status == 200
                assert answer.headers["Connection"] == "close"
        engine.hold.set()
        for client in busy:
            await client.until("audio-stop")


async def test_who_just_came_is_not_sent_away_for_the_next() -> None:
    async with (
        doors(FakeEngine(), limits=Limits(connections_per_address=2)) as both,
        raw(both, "127.0.0.4") as first,
        raw(both, "127.0.0.4") as second,
        raw(both, "127.0.0.4") as third,
    ):
        third.send(HEAD + b"\r\n")
        assert await third.status() == 503
        assert b"Retry-After: 2" in await third.rest()
        for one in (first, second):
            one.send(HEAD + b"\r\n")
            assert await one.status() == 200


async def test_a_crowd_that_is_refused_is_bounded() -> None:
    engine = FakeEngine()
    engine.hold.clear()
    async with doors(engine, limits=Limits(connections=1)) as both, AsyncExitStack() as stack:
        speaking = asyncio.create_task(both.client.post(SPEECH, json=WISH))
        await eventually(lambda: engine.speaking == 1)
        crowd = [await stack.enter_async_context(raw(both, "127.0.0.3")) for _ in range(40)]
        for one in crowd:
            one.send(HEAD + b"\r\n")
        found = [await one.status() for one in crowd]
        assert set(found) == {0, 503}
        assert found.count(503) == 16
        engine.hold.set()
        async with await speaking as answer:
            await answer.read()


async def test_foreign_networks_are_refused() -> None:
    limits = Limits(networks=("10.0.0.0/8",))
    async with doors(FakeEngine(), limits=limits) as both:
        async with raw(both, "127.0.0.9") as one:
            one.send(HEAD + b"\r\n")
            assert await one.rest() == b""
        async with both.client.get("/health") as answer:  # from the server's own address
            assert answer.status == 200


async def test_one_who_takes_nothing_is_given_up() -> None:
    engine = FakeEngine(frames=300)  # more than the kernel holds
    async with doors(engine, limits=Limits(stall_seconds=0.5)) as both, raw(both) as one:
        body = b'{"input": "One is. Two is. Three is.", "response_format": "pcm"}'
        one.writer.transport.pause_reading()  # type: ignore[attr-defined]
        one.send(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await eventually(lambda: bool(engine.asked))
        await eventually(lambda: not both.http.connections)
    assert engine.asked == ["One is."]


async def test_turns_are_by_address() -> None:
    engine = FakeEngine()
    async with doors(engine) as both, raw(both, "127.0.0.7") as one:
        one.send(b"GET /api/text-to-speech?text=Hello. HTTP/1.1\r\nHost: a.local\r\n\r\n")
        assert await one.status() == 200
    assert engine.clients == ["127.0.0.7"]


async def test_the_end_waits_for_replies_in_flight() -> None:
    engine = FakeEngine(frames=10, frame_seconds=0.02)
    async with doors(engine) as both, raw(both) as idle:
        async with both.client.post(SPEECH, json=WISH) as answer:
            draining = asyncio.create_task(both.http.drain())
            assert await idle.rest() == b""
            assert len(await answer.read()) == 10 * 3_840
        await draining


async def test_the_end_waits_no_longer_than_it_may() -> None:
    engine = FakeEngine(frames=1_000, frame_seconds=0.02)
    async with doors(engine, limits=Limits(shutdown_seconds=0.1)) as both:
        answer = await both.client.post(SPEECH, json=WISH)
        await both.http.drain()
        with pytest.raises(Exception, match=r"not completed|closed|payload"):
            await answer.read()
    assert engine.cancelled == ["One is."]
