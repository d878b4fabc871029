"""`wyoming-csm say`: the same engines and configuration, without a server."""

import asyncio
import sys
import wave
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
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
from wyoming_csm.text.pieces import Pause, Piece, Speak
from wyoming_csm.text.reader import TextReader
from wyoming_csm.text.spoken.parts import spoken_parts
from wyoming_csm.voice_choice import VoiceRequest, choose_voice
from wyoming_csm.voices import Voice

_LONG_SECONDS = 1.0  # what takes longer is worth a word


async def say(config: Config, words: Sequence[str], output: str) -> int:
    """Speak the words, or standard input without any, into a WAV file or (`-`) standard output.
    Return the exit code. Raises RequestError, EngineError."""
    text = " ".join(words) if words else sys.stdin.read()
    limit = config.limits.text_characters
    if len(text) > limit:
        raise RequestError(f"the text has {len(text)} characters: {limit} are allowed")
    return await speak_into(config, lambda voice: text, output)


async def speak_into(
    config: Config, text_of: Callable[[Voice], str], output: str, exactly: bool = False
) -> int:
    """Speak the text for the configured voice into a file; `exactly` that voice, or none.

    Return the exit code. Raises RequestError, EngineError.
    """
    _check_output(output)
    sound = bytearray()
    async with running(config) as app:
        voice = _choose(app, config, exactly)
        await _best_engine(app)
        async with aclosing(_speak(app, config, voice, text_of(voice))) as chunks:
            async for pcm in chunks:
                sound += pcm
                if sys.stderr.isatty():
                    _tell(f"\r{len(sound) / BYTES_PER_SECOND:.1f} s of sound")
    if not sound:
        _tell("there was nothing to say: this is silence\n")
        sound += silence(NOTHING_SECONDS)
    await asyncio.to_thread(_write, bytes(sound), output)
    _tell(f"\r{len(sound) / BYTES_PER_SECOND:.1f} s of sound in {output}\n")
    return 0


def _check_output(output: str) -> None:
    if output == "-" and sys.stdout.isatty():
        raise RequestError("name a file with -o, or send standard output to one")
    if not (folder := Path(output).absolute().parent).is_dir():
        raise RequestError(f"{output} cannot be written: {folder} is no folder")


async def _best_engine(app: App) -> None:
    """Wait for the best engine that can run here: one text is worth it."""
    for engine in app.engines:
        if engine.status.phase is Phase.STARTING:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LONG_SECONDS):
                    await engine.wait_loaded()
        if engine.status.phase is Phase.STARTING:
            _tell(f"{engine.name} is loading\n")
            await engine.wait_loaded()
        if engine.status.phase is Phase.READY:
            return


def _choose(app: App, config: Config, exactly: bool) -> Voice:
    voice, complaint = choose_voice(app.engine.voices, VoiceRequest(name=config.voice), config)
    if voice is None or (complaint and exactly):
        raise RequestError(app.why_no_voice(config.voice or ""))
    if complaint:
        _tell(f"{app.why_no_voice(config.voice or '')}; the voice is {voice.name}\n")
    return voice


async def _speak(app: App, config: Config, voice: Voice, text: str) -> AsyncGenerator[bytes]:
    reader = TextReader(voice.language, style=config.reading)
    reply = app.engine.start_reply(voice)
    owed = 0.0  # seconds of the pause after the sentence before
    try:
        for piece in _in_words(app, voice, (*reader.push(text), *reader.finish())):
            words, gain = "", voice.manner.gain
            if isinstance(piece, Speak):
                words, gain = piece.text, gain + piece.gain
            mixed = app.mixer.sentence(words, gain, voice.manner.pause)
            yield silence(owed if words else 0.0)
            async with aclosing(reply.speak(piece)) as chunks:
                async for pcm in chunks:
                    yield mixed.feed(pcm, reply.spoken_by)
            yield mixed.end()
            owed = mixed.owed if words else 0.0
    finally:
        await reply.aclose()


def _in_words(app: App, voice: Voice, pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Yield pauses as they are, and sentences in the words that the engine gets."""
    for piece in pieces:
        if isinstance(piece, Pause):
            yield piece
            continue
        text = app.lexicons.respelled(piece.text, voice)
        yield from (replace(piece, text=part) for part in spoken_parts(text, voice.language))


def _write(pcm: bytes, output: str) -> None:
    """Write a WAV file, or one into standard output. Raises RequestError."""
    wav = BytesIO()
    with wave.open(wav, "wb") as file:
        file.setparams((CHANNELS, SAMPLE_WIDTH, SAMPLE_RATE, 0, "NONE", "not compressed"))
        file.writeframes(pcm)
    try:
        if output == "-":
            sys.stdout.buffer.write(wav.getvalue())
            sys.stdout.buffer.flush()
        else:
            Path(output).write_bytes(wav.getvalue())
    except OSError as error:
        raise RequestError(f"{output} cannot be written: {error.strerror}") from error


def _tell(words: str) -> None:
    """Tell a person of the progress: never into the sound."""
    print(words, end="", file=sys.stderr, flush=True)
