"""The same VITS by this server and by wyoming-piper, in turns, over their sockets.

Each speaks every sentence whole and streamed word by word; who comes first alternates. What a
client sees is measured: seconds to the first sound, and all seconds by those of the sound.
"""

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from wyoming.audio import AudioChunk, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeStopped,
)

from benchmarks.server import ROOT, free_port, until_open, until_speaking

PIPER = "WYOMING_PIPER"  # names its command, where it is not on PATH
_START_SECONDS = 120.0
SENTENCES = (
    "Turned on the kitchen lights.",
    "The front door is locked.",
    "It is twenty one degrees in the living room.",
    "The washing machine has finished, and the dryer needs ten more minutes.",
    "I could not find a device called reading lamp in the bedroom.",
    "Tomorrow will be cloudy, with a little rain in the afternoon.",
    "The garage door has been open for half an hour; shall I close it?",
    "Good morning.",
    "Your next appointment is at the dentist, at a quarter past three.",
    "The vacuum cleaner is stuck under the sofa again.",
    "Set the bedroom thermostat to nineteen degrees.",
    "There are three lights on downstairs, and none upstairs.",
    "The battery of the hallway sensor is nearly empty.",
    "I added milk, bread, and two pounds of apples to the shopping list.",
    "Playing some quiet music in the study.",
    "The alarm is armed, and all of the windows are closed.",
    "Somebody is at the front door.",
    "Your timer for the pasta is done.",
    "The sun sets at eight minutes to five today, and the blinds will close by themselves.",
    "Good night; I turned off everything but the light on the stairs.",
)


@dataclass
class Runs:
    """What one server took, in one manner of asking."""

    first: list[float]  # seconds to the first sound
    whole: list[float]  # seconds in all
    sound: list[float]  # seconds of sound


def piper_command() -> str | None:
    """Find wyoming-piper's command."""
    return os.environ.get(PIPER) or shutil.which("wyoming-piper")


async def compare(checkpoint: Path, voice: Path, folder: Path, rounds: int) -> dict[str, float]:
    """Let both speak: Coqui's `checkpoint` and Piper's `voice` of the same weights."""
    command = piper_command()
    assert command is not None
    found = {
        (name, streamed): Runs([], [], []) for name in ("coqui", "piper") for streamed in (0, 1)
    }
    async with _coqui(checkpoint, folder):  # exports it
        pass
    began = time.perf_counter()
    async with _coqui(checkpoint, folder) as ours:
        ready = time.perf_counter() - began
        async with _piper(command, voice, folder) as theirs:
            ports = {"coqui": ours, "piper": theirs}
            for number in range(rounds * len(SENTENCES)):
                text = SENTENCES[number % len(SENTENCES)]
                for name in sorted(ports, reverse=number % 2 == 1):
                    for streamed in (0, 1):
                        await _say(ports[name], text, streamed, found[name, streamed])
    answer = {"coqui_start_to_speech_s": ready}
    for (name, streamed), runs in found.items():
        manner = f"{name}_{'streamed' if streamed else 'whole'}"
        answer[f"{manner}_ttfa_ms"] = statistics.median(runs.first) * 1000
        answer[f"{manner}_rtf"] = sum(runs.whole) / sum(runs.sound)
    return {name: round(value, 3) for name, value in answer.items()}


async def _say(port: int, text: str, streamed: int, runs: Runs) -> None:
    began, first, seconds = time.perf_counter(), 0.0, 0.0
    async with AsyncTcpClient("127.0.0.1", port) as client:
        began = time.perf_counter()
        if streamed:
            await client.write_event(SynthesizeStart().event())
            for word in text.split():
                await client.write_event(SynthesizeChunk(f"{word} ").event())
            await client.write_event(SynthesizeStop().event())
        else:
            await client.write_event(Synthesize(text).event())
        last = SynthesizeStopped if streamed else AudioStop
        while (event := await client.read_event()) and not last.is_type(event.type):
            assert not Error.is_type(event.type), event
            if AudioChunk.is_type(event.type):
                first = first or time.perf_counter() - began
                seconds += AudioChunk.from_event(event).seconds
    runs.first.append(first)
    runs.whole.append(time.perf_counter() - began)
    runs.sound.append(seconds)


@asynccontextmanager
async def _coqui(checkpoint: Path, folder: Path) -> AsyncGenerator[int]:
    config = {
        "engines": ["coqui"],
        "voices": str(folder / "voices"),
        "data_dir": str(folder / "data"),
        "log": {"level": "ERROR"},
        "cache": {"characters": 0},  # each sentence is to be made each time
        "coqui": {"checkpoint": str(checkpoint), "device": "cpu"},
    }
    file = folder / "config.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    words = ("-m", "wyoming_csm", "--config", str(file), "--no-zeroconf")
    async with _served(sys.executable, *words) as port:
        yield port


@asynccontextmanager
async def _piper(command: str, voice: Path, folder: Path) -> AsyncGenerator[int]:
    data = folder / "piper"
    data.mkdir(exist_ok=True)
    for file in (voice, voice.with_suffix(".onnx.json")):
        shutil.copy(file, data)
    async with _served(command, "--voice", voice.stem, "--data-dir", str(data)) as port:
        yield port


@asynccontextmanager
async def _served(*command: str) -> AsyncGenerator[int]:
    """Run a server until the block ends; it has spoken once. Gives its port."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *command, "--uri", f"tcp://127.0.0.1:{port}", cwd=ROOT,
        env={**os.environ, "ORT_DISABLE_TELEMETRY": "1"},
    )  # fmt: skip
    try:
        async with asyncio.timeout(_START_SECONDS):
            await until_open(port)
            await until_speaking(port)
        yield port
    finally:
        process.terminate()
        await process.wait()


def sound_apart(checkpoint: Path) -> float:
    """Return how loud the difference of the two sounds is, in dB of either, without noise."""
    script = [sys.executable, "-m", "benchmarks.coqui_and_piper", str(checkpoint)]
    done = subprocess.run(script, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout.split()[-1])


def _print_sound_apart(checkpoint: Path, texts: Sequence[str]) -> None:
    import numpy as np

    from wyoming_csm.worker.coqui.files import local_files
    from wyoming_csm.worker.coqui.setup import prepare

    prepare(download_dir=checkpoint.parent, agreed=False, debug=False)
    from wyoming_csm.worker.coqui.export import export
    from wyoming_csm.worker.coqui.exported import ExportedModel
    from wyoming_csm.worker.coqui.model import CoquiModel

    model = CoquiModel("", local_files(str(checkpoint), None), "cpu")
    assert model.vits is not None
    model.vits.inference_noise_scale = model.vits.inference_noise_scale_dp = 0.0
    exported = ExportedModel("", export(model.vits, model.rate))
    worst = -np.inf
    for text in texts:
        wanted, found = (np.concatenate([*one.say(text, "", None)]) for one in (model, exported))
        difference, level = (np.sqrt(np.mean(it**2)) for it in (wanted - found, wanted))
        worst = max(worst, float(20 * np.log10(difference / level)))
    print(round(worst, 1))


if __name__ == "__main__":
    _print_sound_apart(Path(sys.argv[1]), SENTENCES)
