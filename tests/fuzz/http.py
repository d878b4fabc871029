"""Requests to the HTTP door as no client would send them, over a real connection each."""

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from random import Random

from tests.fakes import FakeEngine
from tests.fuzz.files import any_sound
from tests.fuzz.mutation import any_object, as_json
from tests.fuzz.targets import Read, Target
from tests.server.http.doors import doors
from wyoming_csm.config import Limits

_PATHS = (
    *("/v1/audio/speech", "/api/generate", "/api/text-to-speech?text=a", "/api/words", "/health"),
    *("/api/voices/ann", "/api/voices/ann/rename", "/api/clips/judge", "/api/voices/..%2f..%2fx"),
    *("/page/app.js", "/page/../../x", "/v1/models/%00", "/api/stream", "/metrics", "/%ff", "*"),
)
_NAMES = ("input", "text", "voice", "response_format", "speed", "model", "language", "name", "ssml")
_FORM = b'--x\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
_REQUEST = b"%s %s HTTP/1.1\r\nHost: a.local\r\n%s\r\n%s"
_PATIENCE = 30.0  # seconds, on a machine with other work


def request(method: bytes, path: bytes, headers: bytes, body: bytes) -> bytes:
    length = b"Content-Length: %d\r\n" % len(body) if body else b""
    return _REQUEST % (method, path, headers + length, body)


def any_request(random: Random) -> bytes:
    path = random.choice(_PATHS).encode()
    method = random.choice((b"GET", b"POST", b"POST", b"POST", b"DELETE", b"PUT"))
    if random.random() < 0.6:
        body, kind = as_json(any_object(random, _NAMES)), b"application/json"
        body = body.replace(b"NaN", b"0") if random.random() < 0.5 else body
    else:
        parts = [
            _FORM % (name, b"", random.randbytes(9)) for name in (b"text", b"replace", b"z" * 200)
        ]
        parts.append(_FORM % (b"clip", b'; filename="../a.wav"', any_sound(random)))
        random.shuffle(parts)
        body, kind = b"".join(parts) + b"--x--\r\n", b"multipart/form-data; boundary=x"
    if random.random() < 0.1:
        kind += random.choice((b";", b"(", b'"', b"=a;")) * random.randrange(15_000)
    return request(method, path, b"Content-Type: %s\r\n" % kind, body)


SEEDS = (
    request(b"GET", b"/health", b"", b""),
    request(b"GET", b"/api/text-to-speech?text=Hi&voice=a", b"", b""),
    request(b"GET", b"/page/../page/%2e%2e/app.js", b"Range: bytes=0-5\r\n", b""),
    request(b"POST", b"/v1/audio/speech", b"Content-Type: application/json\r\n",
            b'{"input": "Hi.", "response_format": "wav", "stream_format": "sse"}'),
    request(b"POST", b"/api/clips/judge", b"Content-Type: audio/wav\r\n", b"RIFF____WAVE"),
    request(b"POST", b"/api/words", b"Content-Type: a/b%s\r\n" % (b";" * 15_000), b"{}"),
    request(b"POST", b"/api/words", b'Content-Type: "a%s\r\n' % (b"(" * 330), b"{}"),
    request(b"GET", b"/api/stream", b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
            b'\x81\x8f\0\0\0\0{"type":"end"}\n'),
    _REQUEST % (b"POST", b"/api/words", b"Transfer-Encoding: chunked\r\n"
                b"Content-Type: application/json\r\n", b'b\r\n{"text":"a"\r\n1\r\n}\r\n0\r\n\r\n'),
)  # fmt: skip


class ServerFault(Exception):
    """The door answered with a fault of its own, or logged one."""


class _Faults(logging.Handler):
    """Remembers what was logged as a fault."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@asynccontextmanager
async def http() -> AsyncIterator[Read]:
    """Each input is a connection, and what it is answered with is read."""
    faults = _Faults()
    logging.getLogger().addHandler(faults)
    limits = Limits(event_seconds=0.1, idle_seconds=0.5)
    try:
        with tempfile.TemporaryDirectory() as name:
            folders = {"voices": f"{name}/voices", "data_dir": f"{name}/data"}
            async with doors(FakeEngine(frames=1), limits=limits, **folders) as both:

                async def read(data: bytes) -> None:
                    answer = await _answer(both.http.port, data)
                    status = answer[9:12]
                    if answer.startswith(b"HTTP/1.1 5") and status not in (b"501", b"503", b"505"):
                        raise ServerFault(answer[:300])
                    if faults.lines:
                        raise ServerFault(faults.lines.pop())

                yield read
    finally:
        logging.getLogger().removeHandler(faults)


async def _answer(port: int | None, data: bytes) -> bytes:
    assert port is not None
    async with asyncio.timeout(_PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(data)
            with suppress(ConnectionError):
                return await reader.read(4_096)  # the end, or the head of the first answer
            return b""
        finally:
            writer.transport.abort()
            with suppress(ConnectionError):
                await writer.wait_closed()


def http_targets() -> tuple[Target, ...]:
    """Make the one there is."""
    words = (b"\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: x\r\n", b"--x--", b"%00", b"../")
    return (Target("http", http, SEEDS, (), words, any_request, most_ms=1_000, share=0.005),)
