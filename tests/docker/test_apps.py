"""The Home Assistant apps at work, before a Supervisor of our own."""

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from wyoming.audio import AudioChunk
from wyoming.client import AsyncTcpClient
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.tts import Synthesize

from benchmarks.server import free_port
from tests.docker.test_files import tool
from tests.fakes import FakeEngine
from tests.server.clients import port_of, serving
from tests.server.http.doors import doors
from wyoming_csm.config import HttpConfig

TOKEN = "the Supervisor's word"
PATIENCE = 60.0


@dataclass
class Supervisor:
    """Home Assistant's Supervisor as far as apps see it: it lets in who has the token."""

    answers: list[int] = field(default_factory=list)  # the codes of the next ones, then 200
    told: "asyncio.Queue[dict[str, Any]]" = field(default_factory=asyncio.Queue)
    requests: int = 0
    url: str = ""

    async def discovery(self, request: web.Request) -> web.Response:
        self.requests += 1
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"result": "error"}, status=401)
        if self.answers and (code := self.answers.pop(0)) != 200:
            return web.json_response({"result": "error", "message": "not now"}, status=code)
        self.told.put_nowait(await request.json())
        return web.json_response({"result": "ok", "data": {"uuid": "1"}})


@asynccontextmanager
async def supervisor(*answers: int) -> AsyncIterator[Supervisor]:
    here = Supervisor(list(answers))
    app = web.Application()
    app.router.add_post("/discovery", here.discovery)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    here.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield here
    finally:
        await runner.cleanup()


@asynccontextmanager
async def started(
    script: Path, *words: object, folder: Path, **variables: str
) -> AsyncIterator[subprocess.Process]:
    """A script of an app; it is asked to end, and waited for."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(script), *map(str, words)),
        cwd=folder,
        env={**os.environ, "SUPERVISOR_TOKEN": TOKEN, **variables},
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await process.wait()
        with suppress(ProcessLookupError):  # what it started, which holds its output open
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()


def environment_of(process: int) -> bytes:
    return Path(f"/proc/{process}/environ").read_bytes()


async def ask(port: int, question: Event) -> Event:
    """The first event of the answer."""
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(question)
        answer: Event | None = await client.read_event()
        assert answer is not None
        return answer


async def spoken_bytes(port: int, text: str) -> int:
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Synthesize(text).event())
        count = 0
        while (event := await client.read_event()) and event.type != "audio-stop":
            if AudioChunk.is_type(event.type):
                count += len(AudioChunk.from_event(event).audio)
        return count


@pytest.mark.slow(2)
async def test_the_supervisor_is_told_where_wyoming_is_served(
    assembled: Path, tmp_path: Path
) -> None:
    script = assembled / "wyoming_csm/discovery.py"
    async with supervisor(502) as home, serving(FakeEngine()) as server:
        port = port_of(server)
        words = (port, "--host", "local-wyoming-csm", "--supervisor", home.url, "--delay", "0.01")
        async with started(script, *words, folder=tmp_path) as process:
            _, log = await process.communicate()
    assert process.returncode == 0, log
    assert home.told.get_nowait() == {
        "service": "wyoming",
        "config": {"uri": f"tcp://local-wyoming-csm:{port}"},
    }
    assert home.requests == 2, "once again after 502"


async def test_a_refusal_of_the_supervisor_is_final_and_said(
    assembled: Path, tmp_path: Path
) -> None:
    script = assembled / "wyoming_csm/discovery.py"
    async with supervisor(403) as home, serving(FakeEngine()) as server:
        words = (port_of(server), "--supervisor", home.url, "--delay", "0.01")
        async with started(script, *words, folder=tmp_path) as process:
            _, log = await process.communicate()
    assert process.returncode == 1
    assert b"403" in log
    assert b"by hand" in log
    assert TOKEN.encode() not in log


@pytest.mark.slow(6)
async def test_the_app_serves_with_its_options_and_is_discovered(
    assembled: Path, tmp_path: Path
) -> None:
    options = {
        "engines": ["system"],
        "voice": "",
        "language": None,
        "system": {"speed": 1.5},
        "http": {},
        "log": {"level": "INFO"},
    }
    (tmp_path / "data").mkdir()
    (tmp_path / "data/options.json").write_text(json.dumps(options))
    port, http_port = free_port(), free_port()
    script = assembled / "wyoming_csm/start_server.py"
    async with supervisor(503) as home:
        words = {"WYOMING_CSM_SUPERVISOR": home.url, "PYTHONPATH": str(assembled / "wyoming_csm")}
        async with started(script, port, http_port, folder=tmp_path, **words) as process:
            told = await home.told.get()
            assert told["service"] == "wyoming"
            assert told["config"]["uri"] == f"tcp://{socket.gethostname()}:{port}"
            info = Info.from_event(await ask(port, Describe().event()))
            assert info.tts[0].name == "wyoming-csm"
            assert await spoken_bytes(port, "Hello.") > 10_000
            async with ClientSession() as client:
                async with client.get(f"http://127.0.0.1:{http_port}/health") as answer:
                    assert (await answer.json())["ready"]
                async with client.get(f"http://127.0.0.1:{http_port}/") as answer:
                    assert answer.status == 200
            assert b"SUPERVISOR_TOKEN" not in environment_of(process.pid)
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
    assert (tmp_path / "config/voices").is_dir()


@pytest.mark.slow(4)
async def test_the_forwarder_passes_wyoming_and_the_page_on(
    assembled: Path, tmp_path: Path
) -> None:
    tool("haproxy")
    word = tmp_path / "word"
    word.write_text("100%secret")
    settings = HttpConfig(address="127.0.0.1:0", token_file=str(word))
    port, http_port = free_port(), free_port()
    script = assembled / "wyoming_csm_gpu_host/start_forwarder.py"
    async with supervisor() as home, doors(FakeEngine(), http=settings) as gpu_host:
        options = {
            "host": "localhost",
            "port": port_of(gpu_host.wyoming),
            "http_port": gpu_host.http.port,
            "token": "100%secret",
        }
        (tmp_path / "data").mkdir()
        (tmp_path / "data/options.json").write_text(json.dumps(options))
        words = {"WYOMING_CSM_SUPERVISOR": home.url, "APP_BIND": "127.0.0.1"}
        words["APP_INGRESS"] = "127.0.0.2"
        async with started(script, port, http_port, folder=tmp_path, **words):
            told = await home.told.get()
            assert told["config"]["uri"] == f"tcp://{socket.gethostname()}:{port}"
            assert (await ask(port, Describe().event())).type == "info"
            assert await spoken_bytes(port, "Hello.") > 0
            await page_is_only_for_ingress(http_port)


async def page_is_only_for_ingress(port: int) -> None:
    seen = {
        "Host": "home.example:8123",
        "Origin": "https://home.example:8123",
        "X-Ingress-Path": "/api/hassio_ingress/x",
    }
    wish = {"input": "Hello.", "response_format": "wav"}

    async def code(source: str, **more: str) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
        body = json.dumps(wish)
        headers = {**seen, **more, "Content-Type": "application/json", "Connection": "close"}
        headers["Content-Length"] = str(len(body))
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join(["POST /v1/audio/speech HTTP/1.1", *lines, "", body]).encode())
        answer = await reader.read()
        writer.close()
        return int(answer.split(b" ", 2)[1])

    assert await code("127.0.0.2", Sec_Fetch_Site="same-origin") == 200
    assert await code("127.0.0.2") == 200, "over plain HTTP browsers do not say where from"
    assert await code("127.0.0.2", Sec_Fetch_Site="cross-site") == 403
    assert await code("127.0.0.1", Sec_Fetch_Site="same-origin") == 403
