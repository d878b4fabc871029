"""What is done while no sentence waits or is spoken, in steps small enough to stop between."""

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from threading import Event, Thread
from typing import NamedTuple

import torch
from torch import Tensor

from wyoming_csm.errors import EngineError
from wyoming_csm.model.pipeline import FramePipeline
from wyoming_csm.model.prefix_cache import PrefixCache
from wyoming_csm.voices import Voice
from wyoming_csm.worker.csm.speakers import Making
from wyoming_csm.worker.csm.voice_prompts import VoicePrompts

_LOGGER = logging.getLogger(__name__)

_MOST_JOBS = 64  # without an idle moment, after which none is added for a conversation
_CHUNK = 32  # positions: a sentence that comes meanwhile waits for no more than these
IDLE_SLOT = 0  # free as the others are


class _Job(NamedTuple):
    name: str  # for the log
    is_ready: Callable[[], bool]
    begin: Callable[[], Making]


class IdleWork:
    """What makes a later sentence quick, or steady: the prompts of voices and of conversations are
    prefilled chunk by chunk, one after another, as many as the cache has room for, and speakers
    without a clip say their reference, frame by frame; then `saving` goes on in a thread."""

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
        self._jobs: deque[_Job] = deque()
        self._running: Making | None = None  # the first of them
        self._saving = saving
        self._quiet = Event()
        self._thread: Thread | None = None

    def add(self, voices: Sequence[Voice]) -> None:
        """Take voices in whose clips are being encoded."""
        for voice in (voice for voice in voices if voice.clips):
            ready, begin = partial(self._voices.is_ready, voice), partial(self._prefill, voice)
            self._jobs.append(_Job(f"Voice {voice.name}", ready, begin))

    def add_prompt(self, name: str, prompt: Tensor) -> None:
        """Take a prompt in that is likely to be asked for."""
        if prompt not in self._cache and len(self._jobs) < _MOST_JOBS:
            self._jobs.append(_Job(name, lambda: True, lambda: self._read(prompt)))

    def add_speaker(self, speaker: int, make: Callable[[], Making]) -> None:
        """Take a speaker in, unless it waits already; `make` makes its reference in IDLE_SLOT."""
        name = f"speaker_{speaker}"
        if all(job.name != name for job in self._jobs):
            self._jobs.append(_Job(name, lambda: True, make))

    def step(self) -> bool:
        """Do one step while every slot is free. False: what is left goes on by itself, or is not
        ready yet."""
        if self._jobs and self._jobs[0].is_ready() and self._go_on(self._jobs[0]):
            return True
        self._quiet.set()
        if self._thread is None:
            self._thread = Thread(target=self._save, daemon=True)
            self._thread.start()
        return False

    def stop(self) -> None:
        """Free the slot for a sentence: the job that was going on begins anew later, and the
        thread finishes at most the step that was begun."""
        self._quiet.clear()
        if self._running is not None:
            self._running.close()
            self._running = None

    def _go_on(self, job: "_Job") -> bool:
        """Do one step of the first job. False: none is left."""
        self._running = self._running or job.begin()
        try:
            next(self._running)
            return True
        except StopIteration:
            pass
        except (EngineError, torch.OutOfMemoryError) as error:
            # A clip that cannot be used was told of where that was found.
            level = logging.DEBUG if isinstance(error, EngineError) else logging.WARNING
            _LOGGER.log(level, "%s could not be made ready: %s", job.name, error)
        self._running = None
        self._jobs.popleft()
        return bool(self._jobs)

    def _prefill(self, voice: Voice) -> Making:
        yield from self._read(self._voices.prompt(voice))

    def _read(self, prompt: Tensor) -> Making:
        """Prefill a prompt, unless it is cached, or the cache has no room for it."""
        if prompt in self._cache or not self._cache.has_room(len(prompt)):
            return
        begin = 0
        try:
            if (cached := self._cache.longest_prefix(prompt)) is not None:
                self._pipeline.restore(IDLE_SLOT, cached)
                begin = cached.shape[3]
            for start in range(begin, len(prompt), _CHUNK):
                if start > begin:
                    yield
                chunk = prompt[start : start + _CHUNK]
                self._pipeline.prefill(IDLE_SLOT, chunk, seed=0, start=start)
            self._cache.store(prompt, lambda n: self._pipeline.save(IDLE_SLOT, n))
        finally:
            self._pipeline.release(IDLE_SLOT)

    def _save(self) -> None:
        for _ in self._saving:
            self._quiet.wait()
