"""Voices' prompts heard while nobody speaks, so that nobody's first sentence waits for them."""

import logging
from collections import deque
from collections.abc import Sequence

import torch
from torch import Tensor

from wyoming_csm.errors import EngineError
from wyoming_csm.model.pipeline import FramePipeline
from wyoming_csm.model.prefix_cache import PrefixCache
from wyoming_csm.voices import Voice
from wyoming_csm.worker.csm.voice_prompts import VoicePrompts

_LOGGER = logging.getLogger(__name__)

_PIECE = 32  # positions: whoever comes meanwhile waits for no more than these
_SLOT = 0  # free as the others are


class VoiceWarmUp:
    """Piece by piece, one voice after another, as many as can be kept side by side."""

    def __init__(self, pipeline: FramePipeline, voices: VoicePrompts, kept: PrefixCache) -> None:
        self._pipeline = pipeline
        self._voices = voices
        self._kept = kept
        self._coming: deque[Voice] = deque()
        self._rows: Tensor | None = None  # of the first that is coming
        self._heard = 0  # how many of them the slot has heard

    def add(self, voices: Sequence[Voice]) -> None:
        """Their clips are being encoded."""
        self._coming.extend(voice for voice in voices if voice.clips)

    def step(self) -> bool:
        """Hear one piece while every slot is free. False: nothing is left, or not ready yet."""
        if not self._coming or not self._voices.is_ready(self._coming[0]):
            return False
        try:
            if self._rows is None:
                self._rows = self._wanted(self._coming[0])
            if self._rows is None or self._hear(self._rows):
                self._leave()
        except (EngineError, torch.OutOfMemoryError) as error:
            # A clip that cannot be used was told of where that was found.
            level = logging.DEBUG if isinstance(error, EngineError) else logging.WARNING
            name = self._coming[0].name
            _LOGGER.log(level, "Voice %s could not be made ready: %s", name, error)
            self._leave()
        return bool(self._coming)

    def stop(self) -> None:
        """Somebody wants a slot: the voice that was being heard begins anew later."""
        if self._rows is not None:
            self._pipeline.release(_SLOT)
            self._rows, self._heard = None, 0

    def _wanted(self, voice: Voice) -> Tensor | None:
        """None: it is kept already, or there is no room but another's."""
        rows = self._voices.rows(voice)
        return rows if rows not in self._kept and self._kept.has_room(len(rows)) else None

    def _hear(self, rows: Tensor) -> bool:
        """Whether that was all of it; it is kept then."""
        piece = rows[self._heard : self._heard + _PIECE]
        self._pipeline.prefill(_SLOT, piece, seed=0, start=self._heard)
        self._heard += len(piece)
        if self._heard < len(rows):
            return False
        self._kept.store(rows, lambda n: self._pipeline.save(_SLOT, n))
        return True

    def _leave(self) -> None:
        self.stop()
        self._coming.popleft()
