"""The whole program while its disk is full, and while its clock is wrong by a day."""

import asyncio
import io
import json
import re
import signal
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from aiohttp import ClientSession, FormData
from wyoming.client import AsyncUnixClient
from wyoming.event import Event
from wyoming.tts import Synthesize, SynthesizeVoice

from benchmarks.fixtures.fake_child import ROOT
from tests.faults.drill import UNHURT, Answer, Drill

DAY = 86_400
# Lines that say nothing. All that is logged asks for the time, and with it for these.
WRONG = ("door stal", "door clock 1e300", "system dei 0", "cms die 0", "system nan 0", "\ufffd")


async def asked(path: Path, voice: str | None = None) -> Answer:
    events: list[Event] = []
    async with asyncio.timeout(30), AsyncUnixClient(str(path)) as client:
        wish = Synthesize("The light is on.", SynthesizeVoice(voice) if voice else None)
        await client.write_event(wish.event())
        while (event := await client.read_event()) is not None:
            events.append(event)
            if event.type in ("audio-stop", "error"):
                break
    return Answer(events)


def is_spoken(answer: Answer) -> bool:
    loudest = np.abs(np.frombuffer(answer.sound or b"\0\0", "<i2").astype(int)).max()
    return answer.kinds == UNHURT and loudest > 1_000


async def sent_clip(client: ClientSession, clip: bytes) -> tuple[int, str]:
    form = FormData({"text": "The door is open."})
    form.add_field("clip", clip, filename="clip.wav")
    async with client.post("api/voices/anna", data=form) as answer:
        return answer.status, await answer.text()


@pytest.mark.slow(4)
async def test_a_full_disk_and_a_clock_that_jumps(drill: Drill, tmp_path: Path) -> None:
    unix, config = tmp_path / "socket", tmp_path / "config.json"
    clip = io.BytesIO()
    noise = np.random.default_rng(1).normal(0, 3_000, 48_000).astype("<i2")
    with wave.open(clip, "wb") as file:
        file.setparams((1, 2, 24_000, 0, "NONE", ""))
        file.writeframes(noise.tobytes())
    (tmp_path / "voices").mkdir()
    settings = {
        "uri": f"unix://{unix}",
        "http": {"address": "127.0.0.1:0"},
        "engines": ["system"],
        "voices": str(tmp_path / "voices"),
        "data_dir": str(tmp_path / "data"),
    }
    config.write_text(json.dumps(settings))
    drill.set(*WRONG[:3])  # neither door nor child is kept from starting
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wyoming_csm", "--config", str(config)),
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    log = ""
    try:
        async with asyncio.timeout(60):
            while "is ready" not in log:
                line = await process.stderr.readline()
                assert line, log
                log += line.decode()
        assert "Faults are made here on purpose" in log
        found = re.search(r"below /v1: (http://127\.0\.0\.1:\d+/)", log)
        assert found, log
        async with ClientSession(found[1]) as client:
            drill.set(*WRONG, f"door clock {DAY}")
            assert is_spoken(await asked(unix))
            for jump in (DAY, -DAY):
                drill.set(f"door clock {jump}", f"system clock {jump}")
                assert is_spoken(await asked(unix))
                async with client.get("health") as answer:
                    assert (await answer.json())["ready"]
            drill.set("door disk", "system disk")
            assert is_spoken(
                await asked(unix, "system_de-DE")
            )  # of whose loudness nothing is known
            status, told = await sent_clip(client, clip.getvalue())
            assert (status, "disk is full" in told) == (507, True), told
            assert not list((tmp_path / "voices").iterdir())
            drill.set()
            assert (await sent_clip(client, clip.getvalue()))[0] == 201
            assert is_spoken(await asked(unix))
        process.send_signal(signal.SIGTERM)
        log += (await process.stderr.read()).decode()
        assert await process.wait() == 0
        assert "Traceback" not in log
        assert "loudness.json cannot be written" in log
        assert [log.count(f"{line!r} is no fault there is") for line in WRONG] == [1] * len(WRONG)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
