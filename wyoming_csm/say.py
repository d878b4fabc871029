"""`wyoming-csm say`: the same engines and configuration, without a server."""

import asyncio
import sys
import wave
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path

from wyoming_csm.answer import Answer
from wyoming_csm.app import App, running
from wyoming_csm.audio import (
    BYTES_PER_SECOND,
    CHANNELS,
    SAMPLE_RATE,
    SAMPLE_WIDTH,
)
from wyoming_csm.config import Config
from wyoming_csm.engines.base import Phase
from wyoming_csm.engines.child_engine import ChildEngine
from wyoming_csm.errors import RequestError
from wyoming_csm.terminal import Tell, passing, progress
from wyoming_csm.text_stream import TextStream
from wyoming_csm.voice_choice import VoiceRequest, choose_voice
from wyoming_csm.voices import Voice

_LONG_SECONDS = 1.0  # of loading: what takes longer is worth a word


async def say(config: Config, words: Sequence[str], output: str) -> int:
    """Speak the words, or standard input without any, into a WAV file or (`-`) standard output.
    Return the exit code. Raises RequestError, EngineError."""
    text = " ".join(words) if words else sys.stdin.read()
    limit = config.limits.text_characters
    if len(text) > limit:
        raise RequestError(f"the text has {len(text)} characters: {limit} are allowed")
    return await speak_into(config, lambda voice: text, output)


async def speak_into(
    config: Config,
    text_of: Callable[[Voice], str],
    output: str,
    exactly: bool = False,
    quiet_seconds: float = _LONG_SECONDS,
) -> int:
    """Speak the text for the configured voice into a file; `exactly` that voice, or none.

    Of an engine that loads for longer than `quiet_seconds` is told what it does.
    Return the exit code. Raises RequestError, EngineError.
    """
    _check_output(output)
    recording = _Recording()
    async with running(config) as app:
        voice = _choose(app, config, exactly)
        await _best_engine(app, quiet_seconds)
        words = text_of(voice)
        text = TextStream(len(words), _tell)
        text.feed(words)
        text.end()
        context = app.answers.for_a_file()
        answer = Answer(text, voice, recording, context, address="this command")
        passing("waiting for the first sound; a voice's new clip is read in once …")
        await answer.run()
        passing("")
        for wanted, speakers in answer.stand_ins:
            _tell(f"{' and '.join(speakers)} spoke, not {wanted.name}: {app.why_silent(wanted)}\n")
    if not any(recording.pcm):
        _tell("there was nothing to say: this is silence\n")
    await asyncio.to_thread(_write, bytes(recording.pcm), output)
    _tell(f"{len(recording.pcm) / BYTES_PER_SECOND:.1f} s of sound in {output}\n")
    return 0


def _check_output(output: str) -> None:
    if output == "-" and sys.stdout.isatty():
        raise RequestError("name a file with -o, or send standard output to one")
    if not (folder := Path(output).absolute().parent).is_dir():
        raise RequestError(f"{output} cannot be written: {folder} is no folder")


async def _best_engine(app: App, quiet_seconds: float) -> None:
    """Wait for the best engine that can run here: one text is worth it."""
    for engine in app.engines:
        if engine.status.phase is Phase.STARTING:
            with suppress(TimeoutError):
                async with asyncio.timeout(quiet_seconds):
                    await engine.wait_loaded()
        if engine.status.phase is Phase.STARTING:
            with progress() as tell:
                await _load(engine, tell)
        if engine.status.phase is Phase.READY:
            return


async def _load(engine: ChildEngine, tell: Tell) -> None:
    """Wait for it, and tell what it does meanwhile: download, quantise, compile, warm up."""
    tell(f"{engine.name} is loading")
    loading = True  # later its end is no news

    def changed() -> None:
        if loading and engine.status.phase is Phase.STARTING and engine.status.detail:
            tell(f"{engine.name}: {engine.status.detail}")

    engine.subscribe(changed)
    await engine.wait_loaded()
    loading = False


def _choose(app: App, config: Config, exactly: bool) -> Voice:
    voice, complaint = choose_voice(app.engine.voices, VoiceRequest(name=config.voice), config)
    if voice is None or (complaint and exactly):
        raise RequestError(app.why_no_voice(config.voice or ""))
    if complaint:
        _tell(f"{app.why_no_voice(config.voice or '')}; the voice is {voice.name}\n")
    return voice


class _Recording:
    """The listener that is a file: it takes all there is."""

    full = False

    def __init__(self) -> None:
        self.pcm = bytearray()
        self.first_at: float | None = None

    @property
    def samples(self) -> int:
        return len(self.pcm) // SAMPLE_WIDTH

    def send(self, pcm: bytes) -> None:
        self.pcm += pcm
        passing(f"{len(self.pcm) / BYTES_PER_SECOND:.1f} s of sound")

    def flush(self) -> None: ...

    async def drained(self) -> None: ...

    async def surely_there(self) -> None: ...


def _write(pcm: bytes, output: str) -> None:
    """Write a WAV file, or one into standard output. Raises RequestError; BrokenPipeError where its
    reader has left."""
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
    except BrokenPipeError:
        raise
    except OSError as error:
        raise RequestError(f"{output} cannot be written: {error.strerror}") from error


def _tell(words: str) -> None:
    """Tell a person of the progress: never into the sound."""
    print(words, end="", file=sys.stderr, flush=True)
