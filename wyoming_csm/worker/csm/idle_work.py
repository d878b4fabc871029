"""What is done while no sentence waits or is spoken, in pieces small enough to stop between."""

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from threading import Event, Thread

import torch
from torch import Tensor

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
        self._prompt: Tensor | None = None  # of the first that is coming
        self._prefilled = 0  # positions

    def add(self, voices: Sequence[Voice]) -> None:
        """Take voices in whose clips are being encoded."""
        self._coming.extend(voice for voice in voices if voice.clips)

    def step(self) -> bool:
        """Read one chunk while every slot is free. False: nothing is left, or not ready yet."""
        if not self._coming or not self._voices.is_ready(self._coming[0]):
            return False
        try:
            if self._prompt is None:
                self._prompt = self._wanted(self._coming[0])
            if self._prompt is None or self._read(self._prompt):
                self._next()
        except (EngineError, torch.OutOfMemoryError) as error:
            # A clip that cannot be used was told of where that was found.
            level = logging.DEBUG if isinstance(error, EngineError) else logging.WARNING
            name = self._coming[0].name
            _LOGGER.log(level, "Voice %s could not be made ready: %s", name, error)
            self._next()
        return bool(self._coming)

    def stop(self) -> None:
        """Free the slot for a sentence: the voice that was being read begins anew later."""
        if self._prompt is not None:
            self._pipeline.release(_SLOT)
            self._prompt, self._prefilled = None, 0

    def _wanted(self, voice: Voice) -> Tensor | None:
        """Return its prompt; None if it is cached, or there is no room without another going."""
        prompt = self._voices.rows(voice)
        new = prompt not in self._cache and self._cache.has_room(len(prompt))
        return prompt if new else None

    def _read(self, prompt: Tensor) -> bool:
        """Return whether that was all of it; it is cached then."""
        chunk = prompt[self._prefilled : self._prefilled + _CHUNK]
        self._pipeline.prefill(_SLOT, chunk, seed=0, start=self._prefilled)
        self._prefilled += len(chunk)
        if self._prefilled < len(prompt):
            return False
        self._cache.keep(prompt, lambda n: self._pipeline.save(_SLOT, n))
        return True

    def _next(self) -> None:
        self.stop()
        self._coming.popleft()


class IdleThread:
    """Works piece by piece from the first quiet moment on, and stops between two when one ends."""

    def __init__(self, pieces: Iterator[None]) -> None:
        """`pieces` must bear that the process ends at any time."""
        self._pieces = pieces
        self._quiet = Event()
        self._thread: Thread | None = None

    def go(self) -> None:
        """Begin, or go on."""
        self._quiet.set()
        if self._thread is None:
            self._thread = Thread(target=self._run, daemon=True)
            self._thread.start()

    def pause(self) -> None:
        """Finish at most the piece that was begun."""
        self._quiet.clear()

    def _run(self) -> None:
        for _ in self._pieces:
            self._quiet.wait()
