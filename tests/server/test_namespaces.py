"""A server and a browser on two machines of their own, as far as the network goes: Linux's
namespaces. The cable is plugged in late, and the address changes."""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOOK_SECONDS = 1.0  # instead of 5 s
SERVER = f"""
import sys
from wyoming_csm.__main__ import main
from wyoming_csm import serve
serve.LOOK_SECONDS = {LOOK_SECONDS}
sys.exit(main())
"""


def ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], check=True, capture_output=True, timeout=20)


@pytest.fixture
def machines() -> Iterator[tuple[str, str]]:
    """Two namespaces with a cable between them; the second has an address."""
    if shutil.which("ip") is None:
        pytest.skip("no `ip` here (iproute2)")
    one, other = names = f"csm-{os.getpid()}-a", f"csm-{os.getpid()}-b"
    try:
        try:
            for name in names:
                ip(f"netns add {name}")
            ip(f"link add eth0 netns {one} type veth peer name eth0 netns {other}")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no namespaces may be made here: {error.stderr.decode().strip()}")
        for name in names:
            ip(f"-n {name} link set lo up")
        ip(f"-n {one} link set eth0 up")
        ip(f"-n {other} addr add 10.77.0.2/24 dev eth0")
        ip(f"-n {other} link set eth0 up")
        yield one, other
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


class Lines:
    """What a process in a namespace writes, line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def until(self, words: str) -> str:
        assert self.process.stdout is not None
        seen = ""
        async with asyncio.timeout(60):
            while words not in (line := (await self.process.stdout.readline()).decode()):
                seen += line
                assert line, seen
        return line


@asynccontextmanager
async def running(machine: str, folder: Path, *words: str) -> AsyncIterator[Lines]:
    process = await asyncio.create_subprocess_exec(
        *("ip", "netns", "exec", machine, sys.executable, *words),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        yield Lines(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.slow(7)
async def test_the_announcement_follows_the_network(
    machines: tuple[str, str], tmp_path: Path
) -> None:
    here, there = machines
    name = ["--zeroconf", "kitchen"]
    async with (
        running(there, tmp_path, "-m", "tests.server.mdns_browser", "10.77.0.2") as browser,
        running(here, tmp_path, "-c", SERVER, "--light", *name) as server,
    ):
        await browser.until("browsing")
        await server.until("No network reaches this server yet")
        began = time.monotonic()
        ip(f"-n {here} addr add 10.77.0.5/24 dev eth0")
        await server.until("host 10.77.0.5, port 10200")
        assert await browser.until("Added") == "Added kitchen 10.77.0.5\n"
        assert time.monotonic() < began + 30

        ip(f"-n {there} link set eth0 down")  # the cable is out
        await server.until("No network reaches this server yet")
        ip(f"-n {here} addr del 10.77.0.5/24 dev eth0")
        ip(f"-n {here} addr add 10.77.0.6/24 dev eth0")
        began = time.monotonic()
        ip(f"-n {there} link set eth0 up")
        await server.until("host 10.77.0.6, port 10200")
        assert await browser.until("10.77.0.6") == "Updated kitchen 10.77.0.6\n"
        assert time.monotonic() < began + 30

        server.process.terminate()
        assert await browser.until("Removed") == "Removed kitchen\n"
        assert await server.process.wait() == 0
