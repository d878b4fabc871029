"""The whole program with its HTTP door: started as people do, heard, weighed and ended."""

import asyncio
import re
import signal
import sys
from pathlib import Path

import pytest
from aiohttp import ClientSession

ROOT = Path(__file__).parents[3]
MOST_MIB = 100


def resident_mib(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    return int(found[1]) / 1024


@pytest.mark.slow(6)
async def test_the_program_speaks_over_http_and_stays_light(tmp_path: Path) -> None:
    words = ("--light", "--no-zeroconf", "--uri", "tcp://127.0.0.1:0", "--http", "127.0.0.1:0")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wyoming_csm", *words, "--data-dir", str(tmp_path)),
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    log, url = "", ""
    try:
        async with asyncio.timeout(60):
            while "is ready" not in log:
                log += (await process.stderr.readline()).decode()
        found = re.search(r"OpenAI's API below /v1: (http://127\.0\.0\.1:\d+/)", log)
        assert found, log
        url = found[1]
        async with ClientSession(url) as client:
            for form in ("mp3", "opus", "flac"):
                wish = {"input": "The light is on.", "response_format": form}
                async with client.post("v1/audio/speech", json=wish) as answer:
                    assert answer.status == 200
                    assert len(await answer.read()) > 2_000
            async with client.get("health") as answer:
                assert (await answer.json())["ready"]
        assert resident_mib(process.pid) <= MOST_MIB
        process.send_signal(signal.SIGTERM)
        rest = (await process.stderr.read()).decode()
        assert await process.wait() == 0
        assert "Ended" in rest
        assert "The light is on" not in log + rest
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
