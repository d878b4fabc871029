"""Measures how loud sentences are as a client receives them, with pyloudnorm, by voice.

Hibari and Pico; with `--checkpoint MODEL.pth` a VITS in Coqui; and CSM's frame loop without a
model, which plays what these made, at other levels, in frames of 80 ms (how much CSM's own
sentences differ is not known by that). Each sentence is a request of its own. pyloudnorm is no
dependency of the project: `pip install pyloudnorm`. Prints a table, then one line of JSON.
"""

import argparse
import asyncio
import importlib
import json
import tempfile
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from wyoming.audio import AudioChunk, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.tts import Synthesize, SynthesizeVoice

from benchmarks.coqui_and_piper import SENTENCES
from benchmarks.fixtures.recorded_child import COMMAND, RecordedSettings, recording
from benchmarks.guarding import TEXTS
from wyoming_csm import __version__
from wyoming_csm.answer import AnswerContext
from wyoming_csm.audio import SAMPLE_RATE, Samples, from_pcm, to_pcm
from wyoming_csm.config import Config, CoquiConfig
from wyoming_csm.engines.child_engine import ChildEngine
from wyoming_csm.engines.coqui import coqui_engine
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.engines.system import system_engine
from wyoming_csm.engines.watchdog import Timeouts
from wyoming_csm.rehearsal import TEXTS as REHEARSED
from wyoming_csm.rehearsal import Rehearsal
from wyoming_csm.server.listener import Server
from wyoming_csm.text.pieces import Speak
from wyoming_csm.text.reader import TextReader
from wyoming_csm.text.spoken import spoken
from wyoming_csm.text.spoken.parts import in_parts
from wyoming_csm.voices import Voice
from wyoming_csm.worker.protocol import Configure

ALL = (*SENTENCES, *TEXTS)[:50]
SYSTEM = ("system_en-US", "system_pico_en-US")
_STEP_SECONDS = 0.03  # a frame of CSM's on a GPU, or so
_LEVELS = (-7.0, 5.0, 3.0)  # dB: how much softer, louder the recordings are, by voice
_TOLERANCE = 1.5  # LU


class Listener:
    """A client, and the standard's meter."""

    def __init__(self, port: int, target: float) -> None:
        pyloudnorm = importlib.import_module("pyloudnorm")
        self._meter: Any = pyloudnorm.Meter(SAMPLE_RATE)
        self._port = port
        self._target = target

    async def off_by(self, voice: str, text: str) -> tuple[float, float, float]:
        """Return how many LU louder than it should be a sentence is, its seconds, its peak."""
        sound = await self._received(voice, text)
        seconds = len(sound) / SAMPLE_RATE
        loudness = self._meter.integrated_loudness(sound.astype(float)) if seconds > 1 else np.nan
        return loudness - self._target, seconds, float(np.abs(sound).max())

    async def _received(self, voice: str, text: str) -> Samples:
        pcm = b""
        async with AsyncTcpClient("127.0.0.1", self._port) as client:
            await client.write_event(Synthesize(text, voice=SynthesizeVoice(voice)).event())
            while (event := await client.read_event()) and not AudioStop.is_type(event.type):
                if AudioChunk.is_type(event.type):
                    pcm += AudioChunk.from_event(event).audio
        return from_pcm(pcm)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, help="a VITS of Coqui's, config.json beside it")
    options = parser.parse_args()
    coqui = (
        CoquiConfig(checkpoint=str(options.checkpoint.absolute()), device="cpu")
        if options.checkpoint
        else None
    )
    with tempfile.TemporaryDirectory() as folder:
        config = Config(uri="tcp://127.0.0.1:0", data_dir=folder)
        engines = [system_engine(config)]
        if coqui:
            engines.append(coqui_engine(msgspec.structs.replace(config, coqui=coqui)))
        async with loaded(engines) as engine:
            voices = [
                voice for voice in engine.voices if voice.name in SYSTEM or voice.engine == "coqui"
            ]
            played = [
                await recorded(engine, voice, level, Path(folder))
                for voice, level in zip(voices, cycle(_LEVELS))
            ]
        engines.append(playing(played, Path(folder)))
        names = [voice.name for voice in (*played, *voices)]
        found: dict[str, object] = {"version": __version__, "sentences": len(ALL)}
        async with loaded(engines) as engine:
            for name in names:
                found[name] = await measured(config, engine, name)
    print(json.dumps(found))


@asynccontextmanager
async def loaded(engines: Sequence[ChildEngine]) -> AsyncGenerator[Fallback]:
    """Start the engines, and end them."""
    engine = Fallback(engines)
    await engine.start()
    try:
        for one in engines:
            await one.wait_loaded()
        yield engine
    finally:
        await engine.stop()


async def recorded(engine: Fallback, voice: Voice, level: float, folder: Path) -> Voice:
    """Write down what a voice says, at another level; return the voice that plays it."""
    name = f"played_{voice.name}"
    for text in (*ALL, REHEARSED["en"]):
        for part in [text] if text == REHEARSED["en"] else in_words(text):
            reply, pcm = engine.start_reply(voice), b""
            async with aclosing(reply.speak(Speak(part))) as chunks:
                async for chunk in chunks:
                    pcm += chunk
            await reply.aclose()
            changed = np.clip(from_pcm(pcm) * 10 ** (level / 20), -1, 1)
            recording(folder, name, part).write_bytes(to_pcm(changed))
    return Voice(name=name, language="en", description=name, engine="csm")


def in_words(text: str) -> Iterator[str]:
    """Yield what an engine gets of a text."""
    reader = TextReader("en")
    for piece in (*reader.push(text), *reader.finish()):
        if isinstance(piece, Speak):
            yield from in_parts(spoken(piece.text, "en"))


def playing(voices: Sequence[Voice], folder: Path) -> ChildEngine:
    """Make the engine that plays them as CSM speaks."""
    settings = msgspec.to_builtins(RecordedSettings(folder=str(folder), step_seconds=_STEP_SECONDS))
    configure = Configure("csm", settings, "", "", voices=tuple(voices))
    return ChildEngine(
        configure,
        voices=lambda: tuple(voices),
        probe=lambda: None,
        patience=Timeouts(),
        command=COMMAND,
    )


async def measured(config: Config, engine: Fallback, name: str) -> dict[str, float]:
    """Say all sentences to a client of a new server, after a rehearsal as it makes one; and the
    first of them to a client of one that has made none."""
    voice = next(one for one in engine.voices if one.name == name)
    async with Server(config, AnswerContext.of(config, engine)) as server:
        first = await Listener(server.addresses[0][1], config.sound.loudness or 0).off_by(
            name, ALL[0]
        )
    answers = AnswerContext.of(config, engine)
    rehearsal = Rehearsal(engine, answers.mixer, lambda: [voice])
    while await rehearsal.rehearse():
        pass
    async with Server(config, answers) as server:
        listener = Listener(server.addresses[0][1], config.sound.loudness or 0)
        all_of_them = [await listener.off_by(name, text) for text in ALL]
    off = np.array([off for off, seconds, _ in all_of_them if seconds > 1])
    result = {
        "of": len(off),
        "mean": off.mean(),
        "sd": off.std(),
        "within_1.5": (abs(off) <= _TOLERANCE).mean(),
        "farthest": abs(off).max(),
        "peak": max(peak for *_, peak in all_of_them),
        "first": off[0],
        "first_unrehearsed": first[0],
    }
    result = {key: round(float(value), 2) for key, value in result.items()}
    print(f"{name:26}", ", ".join(f"{key} {value}" for key, value in result.items()), flush=True)
    return result


if __name__ == "__main__":
    asyncio.run(main())
