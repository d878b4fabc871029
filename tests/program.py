"""The whole program as users start it, for tests: its doors, what it logs, and its end."""

import asyncio
import io
import json
import re
import signal
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from aiohttp import ClientSession, FormData
from wyoming.client import AsyncUnixClient
from wyoming.event import Event
from wyoming.tts import Synthesize, SynthesizeVoice

from benchmarks.fixtures.fake_child import ROOT
from tests.faults.drill import PATIENCE, UNHURT, Answer


@dataclass
class Program:
    """A server with the system voice, and all that it logged until now."""

    process: asyncio.subprocess.Process
    unix: Path
    voices: Path
    log: str = ""

    async def until(self, said: str) -> None:
        """Wait until it has logged that."""
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE):
            while said not in self.log:
                line = await self.process.stderr.readline()
                assert line, self.log
                self.log += line.decode()

    def browsing(self) -> ClientSession:
        """Return a client of its HTTP door."""
        found = re.search(r"below /v1: (http://127\.0\.0\.1:\d+/)", self.log)
        assert found, self.log
        return ClientSession(found[1])

    async def ended(self) -> int:
        """End it, read the rest of its log and return its exit code."""
        assert self.process.stderr is not None
        self.process.send_signal(signal.SIGTERM)
        self.log += (await self.process.stderr.read()).decode()
        return await self.process.wait()


@asynccontextmanager
async def program(folder: Path) -> AsyncIterator[Program]:
    """Serve below a folder until the block ends; begins when it is ready to speak."""
    config, voices = folder / "config.json", folder / "voices"
    voices.mkdir()
    settings = {
        "uri": f"unix://{folder / 'socket'}",
        "http": {"address": "127.0.0.1:0"},
        "engines": ["system"],
        "voices": str(voices),
        "data_dir": str(folder / "data"),
    }
    config.write_text(json.dumps(settings))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wyoming_csm", "--config", str(config)),
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        served = Program(process, folder / "socket", voices)
        await served.until("is ready")
        yield served
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def wish(voice: str | None = None, text: str = "The light is on.") -> Event:
    return Synthesize(text, SynthesizeVoice(voice) if voice else None).event()


async def answer_of(client: AsyncUnixClient) -> Answer:
    """The answer to what was asked."""
    events: list[Event] = []
    async with asyncio.timeout(PATIENCE):
        while (event := await client.read_event()) is not None:
            events.append(event)
            if event.type in ("audio-stop", "error"):
                break
    return Answer(events)


async def asked(path: Path, voice: str | None = None) -> Answer:
    """Ask on a connection of its own."""
    async with AsyncUnixClient(str(path)) as client:
        await client.write_event(wish(voice))
        return await answer_of(client)


def is_spoken(answer: Answer) -> bool:
    loudest = np.abs(np.frombuffer(answer.sound or b"\0\0", "<i2").astype(int)).max()
    return answer.kinds == UNHURT and loudest > 1_000


def clip() -> bytes:
    """Two seconds that serve as a voice's recording."""
    file = io.BytesIO()
    noise = np.random.default_rng(1).normal(0, 3_000, 48_000).astype("<i2")
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, 24_000, 0, "NONE", ""))
        sound.writeframes(noise.tobytes())
    return file.getvalue()


async def sent_clip(client: ClientSession) -> tuple[int, str]:
    """Send a recording for a voice; the status and what was told."""
    form = FormData({"text": "The door is open."})
    form.add_field("clip", clip(), filename="clip.wav")
    async with client.post("api/voices/anna", data=form) as answer:
        return answer.status, await answer.text()
