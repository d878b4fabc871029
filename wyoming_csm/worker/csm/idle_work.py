"""What is done while no sentence waits or is spoken, in steps small enough to stop between."""

import logging
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from threading import Event, Thread

import torch

from wyoming_csm.errors import EngineError
from wyoming_csm.model.pipeline import FramePipeline
from wyoming_csm.model.prefix_cache import PrefixCache
from wyoming_csm.voices import Voice
from wyoming_csm.worker.csm.voice_prompts import VoicePrompts

_LOGGER = logging.getLogger(__name__)

_CHUNK = 32  # positions: a sentence that comes meanwhile waits for no more than these
_SLOT = 0  # free as the others are


class VoiceWarmUp:
    """Prefills voices' prompts chunk by chunk, one voice after another, as many as the cache has
    room for: their first sentence is quick then."""

    def __init__(self, pipeline: FramePipeline, voices: VoicePrompts, cache: PrefixCache) -> None:
        self._pipeline = pipeline
        self._voices = voices
        self._cache = cache
        self._coming: deque[Voice] = deque()
        self._reading: Generator[None] | None = None  # the prompt of the first that is coming

    def add(self, voices: Sequence[Voice]) -> None:
        """Take voices in whose clips are being encoded."""
        self._coming.extend(voice for voice in voices if voice.clips)

    def step(self) -> bool:
        """Read one chunk while every slot is free. False: nothing is left, or not ready yet."""
        if not self._coming or not self._voices.is_ready(self._coming[0]):
            return False
        self._reading = self._reading or self._read(self._coming[0])
        try:
            next(self._reading)
            return True
        except StopIteration:
            pass
        except (EngineError, torch.OutOfMemoryError) as error:
            # A clip that cannot be used was told of where that was found.
            level = logging.DEBUG if isinstance(error, EngineError) else logging.WARNING
            name = self._coming[0].name
            _LOGGER.log(level, "Voice %s could not be made ready: %s", name, error)
        self._reading = None
        self._coming.popleft()
        return bool(self._coming)

    def stop(self) -> None:
        """Free the slot for a sentence: the voice that was being read begins anew later."""
        if self._reading is not None:
            self._reading.close()
            self._reading = None

    def _read(self, voice: Voice) -> Generator[None]:
        """Read a voice's prompt, unless it is cached, or takes another's room in the cache."""
        prompt = self._voices.prompt(voice)
        if prompt in self._cache or not self._cache.has_room(len(prompt)):
            return
        try:
            for start in range(0, len(prompt), _CHUNK):
                if start:
                    yield
                chunk = prompt[start : start + _CHUNK]
                self._pipeline.prefill(_SLOT, chunk, seed=0, start=start)
            self._cache.store(prompt, lambda n: self._pipeline.save(_SLOT, n))
        finally:
            self._pipeline.release(_SLOT)


class IdleThread:
    """Works step by step from the first quiet moment on, and stops between two when one ends."""

    def __init__(self, steps: Iterator[None]) -> None:
        """Take work whose `steps` bear that the process ends at any time."""
        self._steps = steps
        self._quiet = Event()
        self._thread: Thread | None = None

    def go(self) -> None:
        """Begin, or go on."""
        self._quiet.set()
        if self._thread is None:
            self._thread = Thread(target=self._run, daemon=True)
            self._thread.start()

    def pause(self) -> None:
        """Finish at most the step that was begun."""
        self._quiet.clear()

    def _run(self) -> None:
        for _ in self._steps:
            self._quiet.wait()
