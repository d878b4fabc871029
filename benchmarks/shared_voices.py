"""Measures how soon a voice that is added on one replica is listed and spoken by another.

    script/bench shared_voices [--rounds 3]

Two real servers with a tiny CSM of random weights share a folder of voices. The command makes a
voice, replaces it and takes it away; after each the second server is asked until it says so.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np
import soundfile
from wyoming.audio import AudioChunk, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.info import Describe, Info, TtsVoice
from wyoming.tts import Synthesize, SynthesizeVoice

from benchmarks import models
from benchmarks.server import ROOT, csm_served

_NAME, _RATE, _SECONDS = "anna", 24_000, 4.0
_LOOK_SECONDS = 0.05  # between two questions
_MOST_SECONDS = 30.0


async def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        found = await measure(Path(made), options.rounds)
    for name, value in found.items():
        print(f"{name:20} {value:10.2f}")
    print(json.dumps(found))


async def measure(folder: Path, rounds: int) -> dict[str, float]:
    """Return the median and the longest seconds until each change was listed, and the median of a
    sentence in the new voice, from the text to its end."""
    checkpoint, clip = models.make("tiny", folder / "csm"), folder / "clip.wav"
    _record(clip)
    (folder / "voices").mkdir()
    listed: dict[str, list[float]] = {"added": [], "replaced": [], "removed": []}
    spoken: list[float] = []
    async with AsyncExitStack() as stack:
        for name in ("one", "other"):
            (folder / name).mkdir()
            (folder / name / "voices").symlink_to(folder / "voices")
            port = await stack.enter_async_context(
                csm_served(checkpoint, folder / name, max_seconds=1.0)
            )
        for _ in range(rounds):
            text = ("--text", "These are the words in it.", "--language", "en")
            await _voices(folder, "add", _NAME, str(clip), *text)
            listed["added"].append(await _until(port, lambda voices: _NAME in voices))
            began = time.monotonic()
            assert await _spoken(port) > 0
            spoken.append(time.monotonic() - began)
            await _voices(folder, "add", _NAME, str(clip), *text[:3], "de", "--replace")
            listed["replaced"].append(
                await _until(port, lambda voices: voices[_NAME].languages[0] == "de")
            )
            await _voices(folder, "remove", _NAME)
            listed["removed"].append(await _until(port, lambda voices: _NAME not in voices))
    found = {"spoken_s": statistics.median(spoken)}
    for name, seconds in listed.items():
        found |= {f"{name}_s": statistics.median(seconds), f"{name}_most_s": max(seconds)}
    return found


def _record(path: Path) -> None:
    """Record noise that rises and falls as syllables do."""
    times = np.arange(round(_SECONDS * _RATE)) / _RATE
    noise = np.random.default_rng(1).normal(0, 0.1, len(times)) * np.sin(np.pi * 4 * times) ** 2
    soundfile.write(path, noise, _RATE)


async def _voices(folder: Path, *words: str) -> None:
    """Run `wyoming-csm voices` on the first replica's configuration."""
    config = ("--config", str(folder / "one/config.json"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wyoming_csm", "voices", *words, *config),
        cwd=ROOT, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert await process.wait() == 0, words


async def _spoken(port: int) -> int:
    """Return how many bytes of sound a sentence in the new voice has."""
    found = 0
    async with AsyncTcpClient("127.0.0.1", port) as client:
        voice = SynthesizeVoice(name=_NAME)
        await client.write_event(Synthesize("The light is on.", voice=voice).event())
        while (event := await client.read_event()) and not AudioStop.is_type(event.type):
            assert not Error.is_type(event.type), event.data
            if AudioChunk.is_type(event.type):
                found += len(AudioChunk.from_event(event).audio)
    return found


async def _until(port: int, there: Callable[[dict[str, TtsVoice]], bool]) -> float:
    """Return the seconds until the server at the port describes its voices so."""
    began = time.monotonic()
    async with AsyncTcpClient("127.0.0.1", port) as client, asyncio.timeout(_MOST_SECONDS):
        while True:
            await client.write_event(Describe().event())
            event = await client.read_event()
            assert event is not None
            voices = {voice.name: voice for voice in Info.from_event(event).tts[0].voices}
            if there(voices):
                return time.monotonic() - began
            await asyncio.sleep(_LOOK_SECONDS)


if __name__ == "__main__":
    asyncio.run(main())
