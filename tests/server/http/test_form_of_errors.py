"""Whatever is wrong with a request, it is told in JSON of one form: also where no route sees it."""

import asyncio
import logging

import msgspec
import pytest
from aiohttp.web_protocol import RequestPayloadError

from tests.fakes import FakeEngine
from tests.server.clients import warnings
from tests.server.http.doors import doors
from tests.server.http.raw import HEAD, raw
from wyoming_csm.server.http.bodies import Patience, bounded
from wyoming_csm.server.http.problems import Problem, Refused
from wyoming_csm.server.http.routes import ROUTES
from wyoming_csm.server.rate_limited_log import RateLimitedLog
from wyoming_csm.voices import Voice

CHUNKED = (
    b"POST /api/words HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n"
)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"rubbish\r\n\r\n", 400),
        (b"\x16\x03\x01\xff\x80\r\n\r\n", 400),
        (HEAD + b"Host: localhost\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\n\r\n", 400),
        (HEAD + b"X: " + b"a" * 20_000 + b"\r\n\r\n", 400),
        (CHUNKED, 400),
        (HEAD + b"Expect: much\r\nConnection: close\r\n\r\n", 417),
    ],
    ids=["junk", "tls", "two hosts", "no host", "long head", "chunks", "expectation"],
)
async def test_what_no_route_sees_is_told_in_json(sent: bytes, status: int) -> None:
    async with doors(FakeEngine()) as both, raw(both) as one:
        one.send(sent)
        assert await one.status() == status
        head, _, body = (await one.rest()).partition(b"\r\n\r\n")
    assert msgspec.json.decode(body, type=Problem).error.type == "invalid_request_error"
    lines = head.decode().split("\r\n")
    assert "Server: wyoming-csm" in lines
    assert "X-Content-Type-Options: nosniff" in lines
    assert f"Content-Length: {len(body)}" in lines
    assert "aiohttp" not in head.decode()


_SOCKET = {
    "Host": "localhost",
    "Origin": "http://localhost",
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    "Sec-WebSocket-Protocol": "a, b",
    "Content-Type": "application/json",
    "Content-Encoding": "identity",
    "Authorization": "Bearer x",
    "X-Ingress-Path": "/x",
}


@pytest.mark.parametrize("path", [b"GET /api/stream", b"POST /v1/audio/speech", b"GET /"])
async def test_a_header_that_is_no_text_is_no_fault_of_the_server(
    path: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with doors(FakeEngine()) as both:
        for spoilt in _SOCKET:
            async with raw(both) as one:
                one.send(path + b" HTTP/1.1\r\n")
                for name, value in _SOCKET.items():
                    sign = b"\xe1" if name == spoilt else b""
                    one.send(f"{name}: {value}".encode() + sign + b"\r\n")
                one.send(b"Content-Length: 2\r\n\r\n{}")
                assert await one.status() < 500, spoilt
    assert "Traceback" not in caplog.text


async def test_a_compressed_body_is_a_415_everywhere(caplog: pytest.LogCaptureFixture) -> None:
    paths = [one.path.replace("{name}", "anna") for one in ROUTES if one.method == "POST"]
    asked = [(path, "gzip") for path in paths]
    asked += [(paths[0], encoding) for encoding in ("deflate", "br", "zstd", "identity, gzip", "x")]
    async with doors(FakeEngine()) as both:
        for path, encoding in asked:
            headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
            async with both.client.post(path, data=b"garbage", headers=headers) as answer:
                assert answer.status == 415, path
                assert "Content-Encoding" in (await answer.json())["error"]["message"]
    assert len(paths) > 9
    assert not warnings(caplog)


async def test_a_body_that_is_as_it_is_may_say_so() -> None:
    headers = {"Content-Encoding": "Identity", "Content-Type": "application/json"}
    async with doors(FakeEngine()) as both, raw(both) as one:
        one.send(b"POST /api/words HTTP/1.1\r\nHost: localhost\r\nContent-Length: 15\r\n")
        one.send("".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode())
        one.send(b'\r\n{"text": "One"}')
        assert await one.status() == 200


async def test_a_body_that_http_cannot_read_is_a_400() -> None:
    async def broken() -> bytes:
        raise RequestPayloadError("chunks")

    reading = bounded(broken, 10, Patience(1.0), Refused(413, "too long"))  # type: ignore[arg-type]
    with pytest.raises(Refused, match="the body cannot be read") as refused:
        await anext(reading)
    assert refused.value.status == 400


async def test_a_flood_of_what_nobody_foresaw_is_one_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Surprising(FakeEngine):
        def voice_for(self, voice: Voice) -> Voice | None:
            raise RuntimeError("nobody foresaw this")

    async with doors(Surprising()) as both:
        for _ in range(5):
            async with both.client.post("/v1/audio/speech", json={"input": "One."}) as answer:
                assert answer.status == 500
    assert caplog.text.count("Traceback") == 1


def test_a_traceback_that_was_left_out_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    log = RateLimitedLog(logging.getLogger("tests"), seconds=0.0)
    try:
        raise asyncio.InvalidStateError("x")
    except asyncio.InvalidStateError:
        log.exception("kind", "It failed: %s", "so")
    assert [one.levelname for one in caplog.records] == ["ERROR"]
    assert "InvalidStateError: x" in caplog.text
