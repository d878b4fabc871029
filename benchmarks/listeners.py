"""Measures CSM as listeners hear it: a real server, a real child, several listeners at once.

The voice is a clip of 20 seconds. A listener is served in real time if nothing arrives later than
it must be played. Prints a table, then one line of JSON.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import soundfile
import torch
from wyoming.audio import AudioChunk, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.tts import Synthesize

from benchmarks import models, timing
from benchmarks.record import lines_of
from wyoming_csm.answer import AnswerContext
from wyoming_csm.audio import BYTES_PER_SECOND, SAMPLE_RATE
from wyoming_csm.config import Config, CsmConfig
from wyoming_csm.engines.base import Phase
from wyoming_csm.engines.csm import csm_engines
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.server.listener import Server
from wyoming_csm.voice_book import VoiceBook

_PORT = 10_292
_CLIP_SECONDS = 20
_CLIP_TEXT = "The front door is open and the light in the kitchen is on. " * 4
_TEXT = "The heat is on, and it is raining."
_LATE = 0.005  # seconds: arriving so late is no gap that a person hears


@dataclass(frozen=True)
class Received:
    """What one listener noticed, in seconds."""

    first: float
    sound: float
    silence: float  # in gaps


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=models.KINDS)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--data", type=Path, help="data_dir: for what is compiled and quantised")
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--listeners", default="1,4", help="at once, as 1,4,16")
    parser.add_argument("--seconds", type=float, default=6.0, help="of a sentence")
    parser.add_argument("--serve", metavar="SETTINGS", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        await serve(msgspec.json.decode(options.serve, type=Config))
        return
    with tempfile.TemporaryDirectory() as made:
        found = await measure(Path(made), options)
    print("\n".join(lines_of(found)))
    print(json.dumps(found))


async def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Everything, from the server's start on."""
    on_gpu = options.device != "cpu"
    model = options.model or ("full" if on_gpu else "tiny")
    checkpoint = options.checkpoint or models.make(model, folder / "csm")
    record_voice(folder / "voices" / "bench")
    csm = CsmConfig(
        checkpoint=str(checkpoint),
        device=options.device,
        dtype=options.dtype,
        slots=options.slots,
        max_seconds=options.seconds,
        guard="none",  # what random weights say is no speech
    )
    config = Config(
        uri=f"tcp://127.0.0.1:{_PORT}",
        voice="bench",
        voices=str(folder / "voices"),
        data_dir=str(options.data or folder / "data"),
        csm=csm,
    )
    limits = msgspec.structs.replace(config.limits, connections=512, connections_per_address=512)
    config = msgspec.structs.replace(config, limits=limits)
    found: dict[str, Any] = {
        **timing.describe(torch.device(options.device)),
        "on_gpu": on_gpu,
        "through_the_door": model,
    }
    taken = timing.memory_taken() if on_gpu else 0.0
    began = time.perf_counter()
    async with served(config) as detail:
        found |= {"child": detail, "ready_s": time.perf_counter() - began}
        found["first_request_ms"] = 1000 * (await listen()).first  # the clip's prefill first
        for count in map(int, options.listeners.split(",")):
            received = await crowd(count)
            firsts = [one.first for one in received]
            found[f"{count}_at_once"] = {
                "ttfa_ms_p50": timing.median_ms(firsts),
                "ttfa_ms_worst": 1000 * max(firsts),
                "in_real_time": sum(one.silence == 0 for one in received),
                "silence_ms_worst": 1000 * max(one.silence for one in received),
                "seconds_of_sound": statistics.mean(one.sound for one in received),
            }
        if on_gpu:  # as the driver counts it, the context of CUDA too
            found["vram_gb"] = await asyncio.to_thread(timing.memory_taken) - taken
    return found


async def crowd(count: int) -> list[Received]:
    """Let `count` listeners arrive, five a second, and return what each received."""

    async def after(seconds: float) -> Received:
        await asyncio.sleep(seconds)
        return await listen()

    return await asyncio.gather(*(after(number / 5) for number in range(count)))


async def listen() -> Received:
    """One request, played as it comes."""
    began, first, sound, silence = time.perf_counter(), 0.0, 0.0, 0.0
    async with AsyncTcpClient("127.0.0.1", _PORT) as client:
        await client.write_event(Synthesize(_TEXT).event())
        while (event := await client.read_event()) and not AudioStop.is_type(event.type):
            if Error.is_type(event.type):
                raise SystemExit(f"refused: {Error.from_event(event).text}")
            if not AudioChunk.is_type(event.type):
                continue
            now = time.perf_counter()
            first = first or now
            late = now - first - silence - sound  # what was there has been played by then
            silence += late if late > _LATE else 0.0
            sound += len(AudioChunk.from_event(event).audio) / BYTES_PER_SECOND
    if not sound:
        raise SystemExit("no sound")
    return Received(first - began, sound, silence)


@asynccontextmanager
async def served(config: Config) -> AsyncGenerator[str]:
    """A server in a process of its own; what its child says of itself, once it is ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.listeners", "--serve", msgspec.json.encode(config),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        detail = (await process.stdout.readline()).decode().strip()
        if not detail:
            raise SystemExit("the server did not start")
        yield detail
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def serve(config: Config) -> None:
    """Serve until the process is ended."""
    book = VoiceBook(Path(config.voices))
    book.refresh()
    engine = Fallback(csm_engines(config, book))
    await engine.start()
    await engine.wait_loaded()
    if engine.status.phase is not Phase.READY:
        raise SystemExit(engine.status.detail)
    async with Server(config, AnswerContext.of(config, engine)):
        print(engine.status.detail, flush=True)
        await asyncio.Event().wait()


def record_voice(folder: Path) -> None:
    """Twenty seconds of murmur with its words."""
    folder.mkdir(parents=True)
    murmur = np.random.default_rng(0).normal(0, 0.05, _CLIP_SECONDS * SAMPLE_RATE)
    soundfile.write(folder / "clip.wav", murmur, SAMPLE_RATE)
    (folder / "clip.txt").write_text(_CLIP_TEXT)


if __name__ == "__main__":
    asyncio.run(main())
