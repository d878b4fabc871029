"""The composition root: a configuration's voices and engines, the fallback over them, the mixer."""

import asyncio
import logging
import os
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import get_args

from msgspec.structs import replace

from wyoming_csm.answer import AnswerContext
from wyoming_csm.config import Config, EngineName
from wyoming_csm.engines.child_engine import ChildEngine
from wyoming_csm.engines.choice import is_ready, why
from wyoming_csm.engines.coqui import coqui_engine
from wyoming_csm.engines.csm import csm_engines
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.engines.likeness import sounds_of
from wyoming_csm.engines.looks import Looks, asked
from wyoming_csm.engines.sentence_cache import SentenceCache
from wyoming_csm.engines.system import system_engine
from wyoming_csm.errors import ConfigError
from wyoming_csm.lexicons import Lexicons
from wyoming_csm.presets import complaints
from wyoming_csm.rehearsal import Rehearsal
from wyoming_csm.silent_disk import ANSWER_SECONDS, Disk
from wyoming_csm.sound.mixer import Mixer
from wyoming_csm.voice_book import VoiceBook
from wyoming_csm.voice_choice import VoiceRequest, choose_voice
from wyoming_csm.voices import Voice

_LOGGER = logging.getLogger(__name__)

VOICES_SECONDS = 2.0  # between two looks: what changed is listed within 5 s, also under load
_LOOK_SECONDS = 30.0  # for one: new recordings are read to their end
MISSED_SECONDS = 1.0  # between two looks for voices that requests name and nobody knows
_MOST_REHEARSED = 16  # recorded voices
_WAKING_SECONDS = 3.0  # a listener waits no longer: then another engine's first sound comes

# Makes the engines that there are, by name.
MakeEngines = Callable[[Config, VoiceBook], Mapping[str, Sequence[ChildEngine]]]


def all_engines(config: Config, book: VoiceBook) -> dict[str, Sequence[ChildEngine]]:
    """Make the engines that there are, by name, whichever are configured; none is started."""
    return {
        "csm": csm_engines(config, book),
        "coqui": [coqui_engine(config)],
        "system": [system_engine(config)],
    }


class App:
    """The engines in the configured order, and the book of recorded voices."""

    def __init__(self, config: Config, make: MakeEngines = all_engines) -> None:
        """Read the voices; start nothing. `make` makes the engines. Raises ConfigError."""
        config = replace(config, data_dir=make_data_dir(config.data_dir))
        self.book = VoiceBook(Path(config.voices))
        self.book.refresh()
        if self.book.voices and "csm" in config.engines:
            self._tell_voices()
        elif config.voices != Config().voices and not Path(config.voices).exists():
            words = (
                "The folder of recorded voices %s does not exist: create it, or correct `voices`"
            )
            _LOGGER.warning(words, config.voices)
        made = dict(make(config, self.book))
        self.engines = tuple(engine for name in config.engines for engine in made.pop(name))
        self._left_out = tuple(engine for engines in made.values() for engine in engines)
        self.mixer = Mixer(config.sound, Path(config.data_dir) / "loudness.json")
        waits = config.csm.while_waking == "wait"
        looks, data_dir = Looks(), Path(config.data_dir)
        self.cache = (
            SentenceCache(data_dir, config.cache, looks) if config.cache.characters else None
        )
        self.engine = Fallback(
            self.engines,
            _WAKING_SECONDS if waits else 0.0,
            presets=config.presets,
            cache=self.cache,
            looks=looks,
        )
        self.lexicons = Lexicons(config)
        self.answers = AnswerContext(
            config, self.engine, self.mixer, self.lexicons, look=self.look_for_voice
        )
        self.rehearsal = Rehearsal(self.engine, self.mixer, self._voices_to_rehearse)
        self._config = config
        self._disk = Disk(config.voices, _LOOK_SECONDS, most=1)
        self._listed = self.book.voices
        self._missing = asyncio.Lock()  # a voice is looked for
        self._looking: asyncio.Task[None] | None = None  # as one was missing
        self._next_look = 0.0
        self._presets = config.presets
        self._told: set[str] = set()  # of presets, so that it is logged once
        self._tell_presets()

    def why_no_voice(self, name: str) -> str:
        """Say why no engine here has a voice of this name."""
        for engine in self._left_out:
            if name in (voice.name for voice in engine.voices):
                return f"{name!r} is a voice of {engine.name}, left out by --light or `engines`"
        return f"There is no voice {name!r}"

    def _voices_to_rehearse(self) -> list[Voice]:
        """Return the default voice, and those that somebody recorded."""
        default, _ = choose_voice(
            self.engine.voices, VoiceRequest(self._config.voice), self._config
        )
        recorded = [voice for voice in self.book.voices if not voice.fault]
        return [*([default] if default else []), *recorded[:_MOST_REHEARSED]]

    def why_silent(self, voice: Voice) -> str:
        """Say why a voice cannot speak, or did not."""
        alike = [engine for engine in self.engines if engine.name == voice.engine]
        if voice.fault or any(is_ready(engine) for engine in alike):
            return voice.fault or f"{voice.engine} failed, as said above"
        return f"{voice.engine} cannot speak here: {why(alike[0])}" if alike else "it is not there"

    def _tell_voices(self) -> None:
        usable = [voice.name for voice in self.book.voices if not voice.fault]
        _LOGGER.info("Recorded voices: %s", ", ".join(usable) or "-")

    def _tell_presets(self) -> None:
        voices = {voice.name: voice for voice in self.engine.voices}
        said = set(complaints(self._presets, voices))
        for line in sorted(said - self._told):
            _LOGGER.warning("%s", line)
        self._told = said

    async def look_at_voices(self) -> None:
        """Read the folders of voices, the lexicons, and what speakers without a clip sound like,
        again, in a thread: it may take a while. Where the disk does not answer, all stays."""
        with suppress(OSError):
            await asked(self._disk, self._read_folders)
        if self.book.voices != self._listed:  # also by a look that was not waited for
            self._listed = self.book.voices
            self._tell_voices()
            for engine in self.engines:
                engine.changed()
            self._tell_presets()
        for engine in self.engines:
            await engine.look_at_voices()
        self.engine.sounds = await sounds_of(self.engines, self.engine.looks)

    async def look_for_voice(self) -> None:
        """Look at the voices now, once a second at most, as one is asked for that is not known.

        Another server may just have made it, in the folder that they share. Who asks does not wait
        for long: a disk may not answer.
        """
        async with self._missing:  # who comes meanwhile has the same answer
            if time.monotonic() >= self._next_look:
                if self._looking is None or self._looking.done():
                    self._looking = asyncio.get_running_loop().create_task(self.look_at_voices())
                    await asyncio.wait([self._looking], timeout=ANSWER_SECONDS)
                self._next_look = time.monotonic() + MISSED_SECONDS

    def _read_folders(self) -> None:
        self.lexicons.refresh()
        self.book.refresh()

    async def watch_voices(self) -> None:
        """Look at the voices regularly, for ever: folders do not tell when they change."""
        while True:
            await asyncio.sleep(VOICES_SECONDS)
            await self.look_at_voices()


def make_data_dir(folder: str) -> str:
    """Make the folder; where the default one cannot be made, one of the user's own, or any. Return
    its path. Raises ConfigError."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        return folder
    except OSError as error:
        if folder != Config().data_dir:
            raise ConfigError(f"data_dir: {folder} cannot be made: {error}") from error
        why = error.strerror
    own = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share", "wyoming-csm")
    try:
        own.mkdir(parents=True, exist_ok=True)
    except OSError:
        own = Path(tempfile.mkdtemp(prefix="wyoming-csm-"))
    _LOGGER.warning("The folder %s cannot be made (%s): %s is used; see data_dir", folder, why, own)
    return str(own)


@asynccontextmanager
async def running(config: Config, make: MakeEngines = all_engines) -> AsyncGenerator[App]:
    """Start the engines, which load by themselves, and stop them at the end. Raises ConfigError."""
    app = App(config, make)
    if left_out := [name for name in get_args(EngineName) if name not in config.engines]:
        _LOGGER.info("Left out by choice (--light or `engines`): %s", ", ".join(left_out))
    try:
        await app.engine.start()
        yield app
    finally:
        await app.engine.stop()
        if app.cache:
            await app.cache.close()
        if app.mixer.gains:
            await app.mixer.gains.written()
