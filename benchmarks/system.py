"""Measures how soon a client has the first audible sample of each US English system voice.

Prints a table, then one line of JSON.
"""

import asyncio
import json
import os
import statistics
import time
from collections.abc import Sequence

import numpy as np
from wyoming.audio import AudioChunk, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.tts import Synthesize, SynthesizeVoice

from wyoming_csm import __version__
from wyoming_csm.answer import AnswerContext
from wyoming_csm.audio import SAMPLE_RATE
from wyoming_csm.config import Config
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.engines.system import system_engine
from wyoming_csm.server.listener import Server

VOICES = ("system_en-US", "system_pico_en-US")
SENTENCES = (
    "The washing machine has finished.",
    "Someone is at the front door.",
    "It is twenty degrees in the living room.",
    "I have added milk and bread to your shopping list.",
    "The front door is open, and the light in the kitchen is still on, so I turn them off.",
)
ROUNDS = 10
_AUDIBLE = 200  # of 32 767


async def main() -> None:
    """Ask for all sentences in turn, one voice after the other in each round."""
    config = Config(uri="tcp://127.0.0.1:0", engines=("system",))
    engine = Fallback([system_engine(config)])
    await engine.start()
    await engine.wait_loaded()
    waited: dict[str, list[float]] = {voice: [] for voice in VOICES}
    async with Server(config, AnswerContext.of(config, engine)) as server:
        client = AsyncTcpClient("127.0.0.1", server.addresses[0][1])
        await client.connect()
        for voice in VOICES * (ROUNDS + 1):
            waited[voice] += [await heard_after(client, text, voice) for text in SENTENCES]
        await client.disconnect()
    await engine.stop()
    found = {voice: described(times[len(SENTENCES) :]) for voice, times in waited.items()}
    for voice, numbers in found.items():
        print(f"{voice:20} first audible sample, ms: {numbers}")
    print(json.dumps({"version": __version__, "cores": os.cpu_count(), **found}))


def described(seconds: Sequence[float]) -> dict[str, float]:
    """Return milliseconds: the median, and nine of ten are below the other."""
    p90 = statistics.quantiles(seconds, n=10)[-1]
    return {"p50": round(statistics.median(seconds) * 1000, 1), "p90": round(p90 * 1000, 1)}


async def heard_after(client: AsyncTcpClient, text: str, voice: str) -> float:
    """Return the seconds from a request until its first audible sample can be heard, silence
    before it included."""
    begun, samples, heard = time.perf_counter(), 0, 0.0
    await client.write_event(Synthesize(text=text, voice=SynthesizeVoice(name=voice)).event())
    while (event := await client.read_event()) is not None and not AudioStop.is_type(event.type):
        if AudioChunk.is_type(event.type) and not heard:
            sound = np.frombuffer(AudioChunk.from_event(event).audio, dtype="<i2").astype(np.int32)
            (audible,) = np.nonzero(np.abs(sound) > _AUDIBLE)
            if len(audible):
                silence = (samples + int(audible[0])) / SAMPLE_RATE
                heard = time.perf_counter() - begun + silence
            samples += len(sound)
    return heard


if __name__ == "__main__":
    asyncio.run(main())
