"""Measures how soon a client hears a sentence that was said before: `script/bench cached`.

The server is a process of its own with the cache of sentences, its engine a real child without a
model that makes a frame of 80 ms each 25 ms; the client is that of the wyoming library. A sentence
of 3.2 s is said once, then asked for again and again, alone and beside 20 other listeners. What is
stored of it is as loud as speech, after 0.1 s of silence: the child's frames are not, and what is
silent is not sent before it is known what follows. Prints a table, then one line of JSON.
"""

import argparse
import asyncio
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from msgspec.structs import replace
from wyoming.audio import AudioChunk, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop

from benchmarks.fixtures.fake_child import FakeSettings
from benchmarks.server_overhead import (
    PORT,
    SPEAKING,
    STEP,
    describe,
    fake_server,
    ms,
    report,
    speak_on,
    start_fake_engine,
)
from wyoming_csm.answer import AnswerContext
from wyoming_csm.audio import SAMPLE_RATE, SAMPLE_WIDTH, to_pcm
from wyoming_csm.config import CacheConfig, Config
from wyoming_csm.engines.child_engine import ChildEngine
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.engines.sentence_cache import SentenceCache, Stored, Wanted
from wyoming_csm.server.listener import Server

_SILENT_SECONDS = 0.1  # before the first word
_SENTENCE = "Turned on the kitchen lights"


async def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        await serve(Path(options.serve))
        return
    with tempfile.TemporaryDirectory() as folder:
        async with fake_server("benchmarks.cached", "--serve", folder):
            made = await first_chunk()
            await asyncio.to_thread(until_stored, Path(folder))
            alone = [await first_chunk() for _ in range(options.requests)]
            streamed = [await first_chunk(streamed=True) for _ in range(options.requests)]
            asked = [await describe(PORT) for _ in range(options.requests)]
            speakers = [asyncio.create_task(speak_on()) for _ in range(SPEAKING)]
            await asyncio.sleep(1.0)
            beside = [await first_chunk() for _ in range(options.requests)]
            for speaker in speakers:
                speaker.cancel()
            await asyncio.gather(*speakers, return_exceptions=True)
    report(
        {
            "cores": os.cpu_count(),
            "made_ms": made * 1000,
            **spread("found", alone),
            **spread("found_streamed", streamed),
            **spread("found_busy", beside),
            **spread("describe", asked),  # what this machine takes for the least of all
            "speaking_clients": SPEAKING,
        }
    )


def spread(name: str, seconds: list[float]) -> dict[str, float]:
    """Return the least, the median and the 99th percentile in ms."""
    return {
        f"{name}_ms_least": min(seconds) * 1000,
        f"{name}_ms_p50": ms(seconds, 50),
        f"{name}_ms_p99": ms(seconds, 99),
    }


def until_stored(data: Path) -> None:
    """Wait until the sentence is on the disk."""
    while not list(data.glob("sentences/*.sentence")):
        time.sleep(0.01)


async def first_chunk(streamed: bool = False) -> float:
    """Ask on an open connection, and time the first chunk, in seconds; all of it is taken."""
    async with AsyncTcpClient("127.0.0.1", PORT) as client:
        asked = [Synthesize(_SENTENCE).event()]
        if streamed:  # as Home Assistant asks
            asked = [SynthesizeStart().event(), SynthesizeChunk(_SENTENCE).event(), *asked]
            asked.append(SynthesizeStop().event())
        began, first = time.perf_counter(), 0.0
        for event in asked:
            await client.write_event(event)
        while (received := await client.read_event()) and not AudioStop.is_type(received.type):
            if AudioChunk.is_type(received.type):
                first = first or time.perf_counter() - began
        return first


class _SpeechCache(SentenceCache):
    """Stores a sound like speech instead of the child's."""

    def store(self, wanted: Wanted, key: str, stored: Stored) -> None:
        seconds = np.arange(len(stored.sound) // SAMPLE_WIDTH, dtype=np.float32) / SAMPLE_RATE
        syllables = np.sin(2 * np.pi * 4 * seconds) ** 2
        sound = 0.3 * np.sin(2 * np.pi * 180 * seconds) * syllables * (seconds > _SILENT_SECONDS)
        super().store(wanted, key, replace(stored, sound=to_pcm(sound)))


async def serve(data: Path) -> None:
    """Serve until the process is ended."""
    engine = await start_fake_engine(
        FakeSettings(frames=40, step_seconds=STEP, slots=SPEAKING, identity="fake"), ChildEngine
    )
    config = Config(uri=f"tcp://127.0.0.1:{PORT}")
    limits = replace(config.limits, connections_per_address=64)
    config = replace(config, limits=limits)
    house = Fallback([engine], cache=_SpeechCache(data, CacheConfig()))
    async with Server(config, AnswerContext.of(config, house)):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
