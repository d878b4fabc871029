"""What this machine answers, with real sockets and files."""

import asyncio
import json
import os
import socket
import sys
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest

from tests.fakes import FakeEngine
from tests.server.clients import port_of, serving
from tests.server.http.doors import doors
from wyoming_csm.doctor import this_machine
from wyoming_csm.doctor.this_machine import ThisMachine

MACHINE = ThisMachine()


async def test_our_server_is_known() -> None:
    async with serving(FakeEngine()) as server:
        answer = await MACHINE.ask(f"tcp://127.0.0.1:{port_of(server)}")
    assert answer is not None
    assert (answer.program, answer.recognises) == ("wyoming-csm", False)


async def test_a_page_is_ours_only_if_it_speaks_http() -> None:
    async with doors(FakeEngine()) as both:
        assert await MACHINE.is_page(f"127.0.0.1:{urlsplit(both.http.url).port}")
    async with serving(FakeEngine()) as server:
        assert not await MACHINE.is_page(f"127.0.0.1:{port_of(server)}")
    assert not await MACHINE.is_page("127.0.0.1:9")


async def test_a_recogniser_is_known() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        attribution = {"name": "a", "url": "b"}
        program = {"name": "whisper", "attribution": attribution, "installed": True, "models": []}
        program |= {"description": None, "version": "2"}
        writer.write(json.dumps({"type": "info", "data": {"asr": [program]}}).encode() + b"\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        found = await MACHINE.ask(f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert found is not None
    assert (found.program, found.version, found.recognises) == ("whisper", "2", True)


@pytest.mark.parametrize(
    "words", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"[1]\n", b'{"a":1}\n']
)
async def test_another_program_is_no_wyoming_server(words: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        found = await MACHINE.ask(f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert found is not None
    assert not found.wyoming


async def test_nobody_listens() -> None:
    assert await MACHINE.ask("tcp://127.0.0.1:9") is None


async def test_where_it_can_listen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert "cannot be had" in await MACHINE.why_not(f"tcp://127.0.0.1:{port}")
        assert MACHINE.holder(port).endswith(f"(process {os.getpid()})")
    assert await MACHINE.why_not("tcp://127.0.0.1:0") == ""
    assert "cannot be had" in await MACHINE.why_not("tcp://192.0.2.77:0")


def test_where_others_reach_it() -> None:
    assert MACHINE.addresses("127.0.0.1") == ["127.0.0.1"]
    assert MACHINE.addresses("localhost")[0] in ("127.0.0.1", "::1")
    assert MACHINE.addresses("192.0.2.77") == []
    assert MACHINE.addresses("no.such.name.invalid") == []


async def test_the_time_is_that_of_a_redirection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")

    class Moved(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None: ...

        def do_HEAD(self) -> None:
            self.send_response(301)
            self.send_header("Location", "https://127.0.0.1:9/")
            self.end_headers()

    server = HTTPServer(("127.0.0.1", 0), Moved)
    thread = Thread(target=server.handle_request)
    thread.start()
    told = await MACHINE.date_of(f"http://127.0.0.1:{server.server_address[1]}")
    thread.join()
    server.server_close()
    assert told == pytest.approx(time.time(), abs=5)
    assert await MACHINE.date_of("http://127.0.0.1:9") is None


def test_disks(tmp_path: Path) -> None:
    made, not_made = MACHINE.disk(tmp_path), MACHINE.disk(tmp_path / "not" / "made")
    assert (made.fault, made.there) == ("", True)
    assert (not_made.fault, not_made.there) == ("", False)
    assert made.free > 0
    (tmp_path / "file").write_text("")
    assert "is a file" in MACHINE.disk(tmp_path / "file").fault
    assert [path.name for path in tmp_path.iterdir()] == ["file"], "nothing stays of the trial"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc here")
def test_a_file_system_that_takes_no_folder() -> None:
    found = MACHINE.disk(Path("/proc/nope"))
    assert "/proc" in found.fault
    assert not found.there


def test_commands() -> None:
    ran = MACHINE.run([sys.executable, "-c", "print(1); exit(3)"], 10)
    assert ran is not None
    assert (ran.code, ran.out) == (3, "1\n")
    assert MACHINE.run(["no-such-command-here"], 1) is None
    assert MACHINE.run([sys.executable, "-c", "input()"], 10), "its input ends at once"


def test_itself() -> None:
    assert MACHINE.clone is not None
    assert (MACHINE.clone / "requirements" / "base.txt").is_file()
    assert "msgspec" in MACHINE.installed()
    assert MACHINE.python == sys.version_info[:2]


@pytest.mark.slow(seconds=5)
async def test_the_network_is_listened_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is multicast it comes back; where there is none, that is an OSError."""
    monkeypatch.setattr(this_machine, "BROWSE_SECONDS", 1.5)
    with suppress(OSError):
        assert await MACHINE.hears_itself() in (True, False)
        assert isinstance(await MACHINE.announced(), list)
