"""`wyoming-csm say`: the same engines and configuration, without a server."""

import asyncio
import sys
import wave
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from io import BytesIO
from pathlib import Path

from wyoming_csm.app import App, running
from wyoming_csm.audio import (
    BYTES_PER_SECOND,
    CHANNELS,
    NOTHING_SECONDS,
    SAMPLE_RATE,
    SAMPLE_WIDTH,
    silence,
)
from wyoming_csm.config import Config
from wyoming_csm.engines.base import Phase
from wyoming_csm.errors import RequestError
from wyoming_csm.server.fields import VoiceRequest
from wyoming_csm.server.voice_table import choose_voice
from wyoming_csm.text.stream import SentenceSplitter

_LONG_SECONDS = 1.0  # what takes longer is worth a word


async def say(config: Config, words: Sequence[str], output: str) -> int:
    """Speak the words, or standard input without any, into a WAV file or (`-`) standard output.

    Raises RequestError, EngineError.
    """
    text = " ".join(words) if words else sys.stdin.read()
    limit = config.limits.text_characters
    if len(text) > limit:
        raise RequestError(f"the text has {len(text)} characters: {limit} are allowed")
    if output == "-" and sys.stdout.isatty():
        raise RequestError("name a file with -o, or send standard output to one")
    sound = bytearray()
    async with running(config) as house:
        await _best_engine(house)
        async with aclosing(_speak(house, config, text)) as chunks:
            async for pcm in chunks:
                sound += pcm
                if sys.stderr.isatty():
                    _tell(f"\r{len(sound) / BYTES_PER_SECOND:.1f} s of sound")
    if not sound:
        _tell("there was nothing to say: this is silence\n")
        sound += silence(NOTHING_SECONDS)
    await asyncio.to_thread(_write, _as_wav(bytes(sound)), output)
    _tell(f"\r{len(sound) / BYTES_PER_SECOND:.1f} s of sound in {output}\n")
    return 0


async def _best_engine(house: App) -> None:
    """One sentence is worth waiting for the best voice that can speak here."""
    for engine in house.engines:
        if engine.status.phase is Phase.STARTING:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LONG_SECONDS):
                    await engine.wait_loaded()
        if engine.status.phase is Phase.STARTING:
            _tell(f"{engine.name} is loading\n")
            await engine.wait_loaded()
        if engine.status.phase is Phase.READY:
            return


async def _speak(house: App, config: Config, text: str) -> AsyncGenerator[bytes]:
    voice, complaint = choose_voice(house.engine.voices, VoiceRequest(name=config.voice), config)
    if voice is None or complaint:
        raise RequestError(complaint or "there is no voice")
    splitter = SentenceSplitter(voice.language)
    reply = house.engine.start_reply(voice)
    try:
        for piece in (*splitter.push(text), *splitter.finish()):
            async with aclosing(reply.speak(piece)) as chunks:
                async for pcm in chunks:
                    yield pcm
    finally:
        await reply.aclose()


def _as_wav(pcm: bytes) -> bytes:
    with BytesIO() as buffer:
        with wave.open(buffer, "wb") as file:
            file.setnchannels(CHANNELS)
            file.setsampwidth(SAMPLE_WIDTH)
            file.setframerate(SAMPLE_RATE)
            file.writeframes(pcm)
        return buffer.getvalue()


def _write(wav: bytes, output: str) -> None:
    """Raises RequestError."""
    try:
        if output == "-":
            sys.stdout.buffer.write(wav)
            sys.stdout.buffer.flush()
        else:
            Path(output).write_bytes(wav)
    except OSError as error:
        raise RequestError(f"{output} cannot be written: {error.strerror}") from error


def _tell(words: str) -> None:
    """Progress, for a person: never into the sound."""
    print(words, end="", file=sys.stderr, flush=True)
