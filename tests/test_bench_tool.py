"""The public wyoming-bench tool, run against a served process in both of its modes."""

import asyncio
import re
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.test_main import served

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("wyoming_bench") is None, reason="wyoming-bench is not installed"),
]

TEXTS = ("The front door is open. The light in the kitchen is on.", "Good night.")


async def bench(*words: str) -> str:
    """What it prints; the tool's own warnings are not ours."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "wyoming_bench.cli", *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(60):
            printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, printed.decode()
    return printed.decode()


async def test_it_finds_the_voices(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        printed = await bench("info", f"127.0.0.1:{server.port}")
    assert "tts  wyoming-csm (synthesize streaming)" in printed
    assert "voice system_en-US [en" in printed


@pytest.mark.parametrize(
    "more", [(), ("--programs", "wyoming-csm", "--config", '{"voice":{"language":"de"}}')]
)
async def test_every_measurement_succeeds_in_both_modes(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    """Alone, and with a program and a voice asked for: it sends `select-program` first then."""
    async with served(tmp_path) as server:
        where = f"127.0.0.1:{server.port}"
        printed = await bench(
            "tts", where, "--mode", "both", "--rounds", "2", *more, "--texts", *TEXTS
        )
    results = re.findall(r"\[(\w+)\] ok=(\d+) fail=(\d+)", printed)
    assert results == [("non_streaming", "4", "0"), ("streaming", "4", "0")], printed
