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


class IdleWork:
    """What makes a later sentence quick: voices' prompts are prefilled chunk by chunk, one voice
    after another, as many as the cache has room for; then `saving` goes on in a thread."""

    def __init__(
        self,
        pipeline: FramePipeline,
        voices: VoicePrompts,
        cache: PrefixCache,
        saving: Iterator[None],
    ) -> None:
        """The steps of `saving` bear that the process ends at any time."""
        self._pipeline = pipeline
        self._voices = voices
        self._cache = cache
        self._coming: deque[Voice] = deque()
        self._prefilling: Generator[None] | None = None  # the prompt of the first that is coming
        self._saving = saving
        self._quiet = Event()
        self._thread: Thread | None = None

    def add(self, voices: Sequence[Voice]) -> None:
        """Take voices in whose clips are being encoded."""
        self._coming.extend(voice for voice in voices if voice.clips)

    def step(self) -> bool:
        """Do one step while every slot is free. False: what is left goes on by itself, or is not
        ready yet."""
        if self._coming and self._voices.is_ready(self._coming[0]) and self._prefill_chunk():
            return True
        self._quiet.set()
        if self._thread is None:
            self._thread = Thread(target=self._save, daemon=True)
            self._thread.start()
        return False

    def stop(self) -> None:
        """Free the slot for a sentence: the voice that was being prefilled begins anew later, and
        the thread finishes at most the step that was begun."""
        self._quiet.clear()
        if self._prefilling is not None:
            self._prefilling.close()
            self._prefilling = None

    def _prefill_chunk(self) -> bool:
        """Prefill one chunk of the first voice. False: none is left."""
        self._prefilling = self._prefilling or self._prefill(self._coming[0])
        try:
            next(self._prefilling)
            return True
        except StopIteration:
            pass
        except (EngineError, torch.OutOfMemoryError) as error:
            # A clip that cannot be used was told of where that was found.
            level = logging.DEBUG if isinstance(error, EngineError) else logging.WARNING
            name = self._coming[0].name
            _LOGGER.log(level, "Voice %s could not be made ready: %s", name, error)
        self._prefilling = None
        self._coming.popleft()
        return bool(self._coming)

    def _prefill(self, voice: Voice) -> Generator[None]:
        """Prefill a voice's prompt, unless it is cached, or the cache has no room for it."""
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

    def _save(self) -> None:
        for _ in self._saving:
            self._quiet.wait()
