"""The container's health check, as Docker runs it, against real servers wherever they listen."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import ifaddr
import pytest

from tests.fakes import FakeEngine
from tests.server.clients import serving
from tests.server.http.doors import doors
from wyoming_csm.config import Limits
from wyoming_csm.engines.base import Phase
from wyoming_csm.server.addresses import reachable_addresses

CHECK = Path(__file__).parent.parent.parent / "docker/healthcheck.py"
pytestmark = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="no Linux: no container")


async def check(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(CHECK), *words]
    return await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    "uri",
    [
        "tcp://127.0.0.1:0",
        "tcp://127.0.0.9:0",
        "tcp://0.0.0.0:0",
        "tcp://[::]:0",
        "tcp://[::1]:0",
        "unix://FOLDER/a socket",
    ],
)
async def test_a_server_is_found_where_it_listens_and_lets_the_check_in(
    tmp_path: Path, uri: str
) -> None:
    limits = Limits(networks=("203.0.113.0/24",))
    uri = uri.replace("FOLDER", str(tmp_path))
    async with serving(FakeEngine(), uri=uri, limits=limits):
        found = await check(str(os.getpid()))
        assert (found.returncode, found.stderr) == (0, "")
    gone = await check(str(os.getpid()))
    assert (gone.returncode, gone.stderr) == (1, "no server listens here\n")


async def test_what_answers_otherwise_is_not_healthy() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b'{"type": "error"}\n')
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1"):
        found = await check(str(os.getpid()))
    assert found.returncode == 1
    assert "'error' is no answer to Describe" in found.stderr


async def test_the_command_is_found_by_its_name(tmp_path: Path) -> None:
    """Its file changed since it started, and words were before it: neither says where it is."""
    settings = {"engines": ["system"], "discovery": {"enabled": False}}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    words = ["-m", "wyoming_csm", "--config", "config.json", "--uri", "unix://here"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, cwd=tmp_path, stderr=subprocess.PIPE
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(60):
            while b"system is ready" not in (line := await process.stderr.readline()):
                assert line, "the server ended"
        (tmp_path / "config.json").write_text("{}")
        assert (await check(str(process.pid))).returncode == 0
        code = f"import sys; sys.path.insert(0, {str(CHECK.parent)!r}); import healthcheck as h"
        code += "\nfor p in h.servers(): print(p.name, *(a for _, a in h.listening(p)))"
        found = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert f"{process.pid} {tmp_path}/here" in found.stdout.splitlines()
        assert children_of(process.pid)
        assert not {line.split()[0] for line in found.stdout.splitlines()} & children_of(
            process.pid
        )
    finally:
        process.terminate()
        await process.communicate()
    assert not (tmp_path / "here").exists()


def children_of(process: int) -> set[str]:
    return set(Path(f"/proc/{process}/task/{process}/children").read_text().split())


async def test_a_link_local_address_is_asked_on_its_link() -> None:
    own = [ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv6]
    links = [ip for ip in own if isinstance(ip, tuple) and ip[0].startswith("fe80:")]
    if not links:
        pytest.skip("no link-local address here")
    host, _, link = links[0]
    host = f"{host}%{socket.if_indextoname(link)}"
    async with serving(FakeEngine(), uri=f"tcp://[{host}]:0") as server:
        assert server.addresses[0][0] == host
        assert list(map(str, reachable_addresses([host]))) == [host], "as people are told it"
        assert (await check(str(os.getpid()))).returncode == 0


async def test_with_http_on_an_engine_must_be_able_to_speak(
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = FakeEngine()
    async with doors(engine):
        found = await check(str(os.getpid()))
        assert (found.returncode, found.stderr) == (0, "")
        engine.become(Phase.RESTING, "its process died five times")
        found = await check(str(os.getpid()))
        assert found.returncode == 1
        assert "no engine can speak" in found.stderr
        assert "its process died five times" in found.stderr
    assert not caplog.records, "each door is asked in its own words"
