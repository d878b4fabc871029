"""The whole program with its HTTP door: started as people do, heard, weighed and ended.

What it may weigh is said of it without the `aac` extra: PyAV, loaded at the first AAC, takes some
20 MiB more, and is not asked for here.
"""

import asyncio
import io
import re
import signal
import sys
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.server.http.test_voices import recording

ROOT = Path(__file__).parents[3]
MOST_MIB = 100


def most_mib(process: int) -> float:
    """The most that it ever held."""
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
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
    log, url, clip = "", "", io.BytesIO(recording(59.0))
    try:
        async with asyncio.timeout(60):
            while "is ready" not in log:
                log += (await process.stderr.readline()).decode()
        found = re.search(r"OpenAI's API below /v1: (http://127\.0\.0\.1:\d+/)", log)
        assert found, log
        url = found[1]
        async with ClientSession(url) as client:
            for kind in ("mp3", "opus", "flac"):
                wish = {"input": "The light is on.", "response_format": kind}
                async with client.post("v1/audio/speech", json=wish) as answer:
                    assert answer.status == 200
                    assert len(await answer.read()) > 2_000
            headers = {"Content-Type": "audio/wav"}
            async with client.post("api/clips/judge", data=clip, headers=headers) as answer:
                assert (await answer.json())["seconds"] == 59.0
            async with client.get("health") as answer:
                assert (await answer.json())["ready"]
        assert most_mib(process.pid) <= MOST_MIB
        process.send_signal(signal.SIGTERM)
        rest = (await process.stderr.read()).decode()
        assert await process.wait() == 0
        assert "Ended" in rest
        assert "The light is on" not in log + rest
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
