"""Pages elsewhere make nothing happen: Host, Origin, Sec-Fetch-Site, kinds of bodies, the token."""

import logging
import socket
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSServerHandshakeError

from tests.fakes import FakeEngine
from tests.server.http.doors import Doors, doors
from tests.server.http.raw import HEAD, raw
from wyoming_csm.config import HttpConfig
from wyoming_csm.engines.base import Sentence
from wyoming_csm.errors import ConfigError

SPEECH = "/v1/audio/speech"
WISH = {"input": "One is."}
FORM = {"data": b"--x--\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}
# Everything that does something, with the least that would do it.
DOING: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", SPEECH, {"json": WISH}),
    ("POST", "/api/generate", {"json": {"text": "One is."}}),
    ("GET", "/api/text-to-speech?text=One+is.", {}),
    (
        "POST",
        "/api/text-to-speech",
        {"data": b"One is.", "headers": {"Content-Type": "text/plain"}},
    ),
    ("GET", "/api/stream", {}),
    ("POST", "/api/voices/anna", FORM),
    ("DELETE", "/api/voices/anna", {}),
    ("POST", "/api/voices/anna/rename", {"json": {"name": "berta"}}),
    ("POST", "/api/clips/judge", FORM),
    ("POST", "/api/clips/transcribe", FORM),
    ("POST", "/api/words", {"json": {"text": "One is."}}),
    ("POST", "/api/convert", {"data": b"RIFF", "headers": {"Content-Type": "audio/wav"}}),
    ("GET", "/api/voices", {}),
    ("GET", "/api/status", {}),
    ("GET", "/metrics", {}),
]
FOREIGN: list[dict[str, str]] = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "https://127.0.0.1.evil.example"},
    {"Origin": "http://127.0.0.1:1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    {"Host": "evil.example"},
    {"Host": "127.0.0.1.evil.example:8002"},
]


async def status(both: Doors, method: str, path: str, **more: Any) -> tuple[int, str]:
    headers = more.pop("headers", {}) | more.pop("more_headers", {})
    async with both.client.request(method, path, headers=headers, **more) as answer:
        return answer.status, (await answer.read()).decode(errors="replace")


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_pages_elsewhere_make_nothing_happen(headers: dict[str, str], tmp_path: Path) -> None:
    engine = FakeEngine()
    (tmp_path / "anna").mkdir()
    async with doors(engine, voices=str(tmp_path)) as both:
        for method, path, more in DOING:
            found, body = await status(both, method, path, more_headers=headers, **more)
            assert found == 403, (method, path, body)
            assert "permission_error" in body
    assert not engine.asked
    assert (tmp_path / "anna").is_dir()


async def test_a_websocket_of_another_page_is_refused() -> None:
    async with doors(FakeEngine()) as both:
        with pytest.raises(WSServerHandshakeError, match="403"):
            await both.client.ws_connect("/api/stream", origin="http://evil.example")
        async with both.client.ws_connect("/api/stream", origin=both.url):
            pass


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
async def test_what_a_page_can_send_without_asking_is_no_json(kind: str) -> None:
    engine = FakeEngine()
    async with doors(engine) as both:
        for path in (SPEECH, "/api/generate", "/api/words", "/api/voices/anna/rename"):
            found, body = await status(
                both, "POST", path, data=b'{"input": "One is."}', headers={"Content-Type": kind}
            )
            assert found == 415, body
    assert not engine.asked


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "192.168.1.5:8002", "[::1]:8002", "[fe80::1%25eth0]", "localhost:8002",
        "speaker.local", "SPEAKER.LOCAL.:8002", "a.localhost", socket.gethostname(),
        "speech.example.com",
    ],
)  # fmt: skip
async def test_own_names_and_addresses_serve(host: str) -> None:
    http = HttpConfig(address="127.0.0.1:0", hosts=("Speech.example.com",))
    async with doors(FakeEngine(), http=http) as both:
        headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
        assert (await status(both, "POST", SPEECH, json=WISH, headers=headers))[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "[::1]evil.example", "[::1]:80evil.example", "[::1].evil.example:80", "[::1",
        "localhost:80:evil.example", "localhost:evil.example", "127.0.0.1%evil.example",
        "evil.example:a.local",
    ],
)  # fmt: skip
async def test_what_only_begins_as_an_address_is_a_foreign_name(host: str) -> None:
    async with doors(FakeEngine()) as both:
        found, body = await status(both, "GET", "/health", headers={"Host": host})
    assert found == 403
    assert "is not known as a name of this server" in body


@pytest.mark.parametrize(
    ("referer", "expected"),
    [(None, 403), ("http://evil.example/", 403), ("http://192.168.1.5:8002/", 200)],
)
async def test_what_a_page_embeds_over_plain_http_does_not_speak(
    referer: str | None, expected: int
) -> None:
    """There browsers tell neither Origin nor Sec-Fetch-Site, and a page can leave out Referer."""
    headers = {"Host": "192.168.1.5:8002", "User-Agent": "Mozilla/5.0 (X11; Linux x86_64)"}
    headers |= {"Referer": referer} if referer else {}
    engine = FakeEngine()
    async with doors(engine) as both:
        path = "/api/text-to-speech?text=One+is."
        assert (await status(both, "GET", path, headers=headers))[0] == expected
    assert bool(engine.asked) is (expected == 200)


async def test_a_foreign_name_is_told_what_helps() -> None:
    async with doors(FakeEngine()) as both:
        found, body = await status(both, "GET", "/", headers={"Host": "rebound.example"})
    assert found == 403
    assert "http: {hosts: [NAME]}" in body


async def test_links_lead_to_the_page_and_nowhere_else() -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    async with doors(FakeEngine()) as both:
        for path in ("/", "/api/docs", "/health"):
            assert (await status(both, "GET", path, headers=link))[0] == 200
            embedded = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
            assert (await status(both, "GET", path, headers=embedded))[0] == 403


async def test_nobody_is_invited_from_elsewhere() -> None:
    asks = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    async with doors(FakeEngine()) as both:
        async with both.client.options(SPEECH, headers=asks) as answer:
            assert answer.status in (403, 405)
            assert not [name for name in answer.headers if name.startswith("Access-Control")]
        async with both.client.get("/") as answer:
            policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'self'" in policy


@pytest.fixture
def secret(tmp_path: Path) -> HttpConfig:
    file = tmp_path / "token"
    file.write_text("s3cret-word\n")
    return HttpConfig(address="127.0.0.1:0", token_file=str(file))


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic s3cret-word"}]
)
async def test_without_the_token_nothing_happens(
    secret: HttpConfig, headers: dict[str, str]
) -> None:
    engine = FakeEngine()
    async with doors(engine, http=secret) as both:
        for method, path, more in DOING:
            found, body = await status(both, method, path, more_headers=headers, **more)
            assert found == 401, (method, path)
            assert "authentication_error" in body
        for path in ("/", "/health", "/health/live", "/api/docs", "/api/openapi.json"):
            assert (await status(both, "GET", path))[0] == 200
    assert not engine.asked


WEBSOCKET = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: bearer.\xff\r\n\r\n"


@pytest.mark.parametrize("more", [b"Authorization: Bearer s3cret\xff\r\n\r\n", WEBSOCKET + KEY])
async def test_a_wrong_token_may_be_of_any_bytes(
    secret: HttpConfig, more: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with doors(FakeEngine(), http=secret) as both, raw(both) as one:
        one.send(HEAD.replace(b"/api/voices", b"/api/stream") + more)
        assert await one.status() == 401
    assert not caplog.records


async def test_without_a_token_a_protocol_may_be_of_any_bytes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And whoever asks for many does not fill the log with them."""
    many = b"Sec-WebSocket-Protocol: " + b"a," * 7_000 + b"\r\n"
    for more in (KEY, many + KEY):
        async with doors(FakeEngine()) as both, raw(both) as one:
            one.send(HEAD.replace(b"/api/voices", b"/api/stream") + WEBSOCKET + more)
            assert await one.status() == 101
    assert not caplog.records


class Faulty(FakeEngine):
    """Has a fault of its own when it is to speak: its traceback is logged."""

    def say(self, sentence: Sentence) -> None:
        raise RuntimeError("a fault of the program")


async def test_with_the_token_all_goes_on_and_it_is_in_no_log(
    secret: HttpConfig, caplog: pytest.LogCaptureFixture
) -> None:
    """Wherever in a request it stands, and whatever becomes of that."""
    caplog.set_level(logging.DEBUG)
    headers = {"Authorization": "bearer s3cret-word"}
    async with doors(FakeEngine(), http=secret) as both:
        assert (await status(both, "POST", SPEECH, json=WISH, headers=headers))[0] == 200
        protocols = ("wyoming-csm", "bearer.s3cret-word")
        async with both.client.ws_connect("/api/stream", protocols=protocols) as live:
            assert live.protocol == "wyoming-csm"
        query = "/api/voices?token=s3cret-word"  # of no use
        assert (await status(both, "GET", query))[0] == 401
        for junk in (b"\0: s3cret-word\r\n\r\n", b"Content-Length: s3cret-word\r\n\r\n"):
            async with raw(both) as one:
                one.send(HEAD + b"Authorization: Bearer s3cret-word\r\n" + junk)
                assert await one.status() == 400
    async with doors(Faulty(), http=secret) as both:
        assert (await status(both, "POST", SPEECH, json=WISH, headers=headers))[0] == 500
    assert "a fault of the program" in caplog.text
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("text", ["", "two\nlines", "ümlaut"])
async def test_a_token_that_no_header_can_hold_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"http\.token_file"):
        async with doors(FakeEngine(), http=HttpConfig(token_file=str(file))):
            pass


INGRESS = HttpConfig(address="127.0.0.1:0", ingress=("127.0.0.1",))
PASSED_ON = {"Host": "anything.example", "X-Ingress-Path": "/api/hassio_ingress/x1"}


async def test_home_assistants_ingress_is_believed() -> None:
    async with doors(FakeEngine(), http=INGRESS) as both:
        for origin in (
            {"Origin": "https://home.example", "Sec-Fetch-Site": "same-origin"},
            {"Origin": "http://home:8123", "X-Forwarded-Host": "home:8123"},
        ):
            headers = PASSED_ON | origin
            assert (await status(both, "POST", SPEECH, json=WISH, headers=headers))[0] == 200
        _, body = await status(both, "GET", "/api/openapi.json", headers=PASSED_ON)
        assert '"url":"/api/hassio_ingress/x1"' in body
        evil = PASSED_ON | {"Origin": "http://evil.example", "X-Forwarded-Host": "home:8123"}
        assert (await status(both, "POST", SPEECH, json=WISH, headers=evil))[0] == 403


@pytest.mark.parametrize("path", ["//evil.example", "/a b", "/a'b", "/a?b", "/a<b", "a", "/é"])
async def test_an_odd_path_of_ingress_is_not_used(path: str) -> None:
    async with doors(FakeEngine(), http=INGRESS) as both:
        headers = PASSED_ON | {"X-Ingress-Path": path}
        assert '"url":"/"' in (await status(both, "GET", "/api/openapi.json", headers=headers))[1]


async def test_anybody_else_who_says_ingress_is_not() -> None:
    async with doors(FakeEngine()) as both:
        assert (await status(both, "GET", "/", headers=PASSED_ON))[0] == 403
        headers = PASSED_ON | {"Host": "localhost"}
        assert '"url":"/"' in (await status(both, "GET", "/api/openapi.json", headers=headers))[1]
