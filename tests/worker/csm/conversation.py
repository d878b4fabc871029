"""Sentences that end by themselves on a stage over a tiny checkpoint, and what they cost."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import msgspec
import torch
from torch import Tensor

from tests.worker.csm.stages import CPU, SPEAKER, make_stage, prepare
from wyoming_csm.model.generator import FrameGenerator
from wyoming_csm.model.kv_cache import KvCache
from wyoming_csm.model.pipeline import FramePipeline
from wyoming_csm.voices import Clip, Voice
from wyoming_csm.worker.csm.runner import CsmRunner
from wyoming_csm.worker.csm.stage import Frame
from wyoming_csm.worker.protocol import Say

FRAMES = 6  # of a sentence, before its end


def voice_of(path: str, speaker: str = "0") -> Voice:
    return msgspec.structs.replace(
        SPEAKER, speaker=speaker, clips=(Clip(path, "the door is open"),)
    )


class Ending(FrameGenerator):
    """A random model never ends: this one makes the frame of zeros where it is told to.

    And at a sentence's first frame, if the slot and its seed are among the `bad`.
    """

    ends: dict[int, int]  # by slot of the pipeline: the position of that frame
    bad: set[tuple[int, int]]
    row_of: Callable[[int], int | None]

    def decode_frame(self, rows: int) -> None:
        super().decode_frame(rows)
        for slot, end in self.ends.items():
            row = self.row_of(slot)
            if row is None or row >= rows:
                continue
            first = end - FRAMES if (slot, int(self._seed[row])) in self.bad else end
            if self._position[row] in (first, end):
                self.codes[row].zero_()


class Conversation:
    """A stage with recordings that need no encoding, and an account of each sentence.

    `computed`: positions that the backbone heard of each prompt; `codes`: what was spoken.
    """

    def __init__(
        self,
        checkpoint: Path,
        data: Path,
        recordings: dict[str, Tensor],
        *,
        ahead: int = 0,
        device: torch.device = CPU,
        **settings: object,
    ) -> None:
        self.stage: CsmRunner = make_stage(checkpoint, data, device, **settings)
        self.recordings = recordings
        self.stage._voices._encode = lambda clip: self.recordings[clip.path]
        self.computed: list[int] = []
        self.codes: list[Tensor] = []
        pipeline = self.stage._pipeline
        self.generator = cast(Ending, pipeline._generator)
        self.generator.__class__ = Ending
        FramePipeline.__init__(pipeline, self.generator, pipeline._decoder, ahead)
        self.generator.ends, self.generator.row_of = {}, pipeline._table._row_of.get
        self.generator.bad = set()
        backbone = self.generator.model.backbone
        real = backbone.prefill

        def counted(x: Tensor, start: int, cache: KvCache, mask: Tensor | None = None) -> Tensor:
            self.computed[-1] += x.shape[1]
            return real(x, start, cache, mask)

        backbone.prefill = counted  # type: ignore[method-assign]

    def begin(self, slot: int, say: Say, positions: int = 10_000) -> None:
        """Its prompt is heard in pieces of so many positions."""
        self.computed.append(0)
        prepare(self.stage, say)
        self.stage.begin(slot, say)
        self.generator.ends[slot] = len(self.stage._sentences[slot].rows) + FRAMES
        while not self.stage.prefill(slot, positions):
            pass

    def speak(self, say: Say, slot: int = 0, positions: int = 10_000) -> list[Frame]:
        """To its end; as the loop does, what was launched ahead is collected with the next."""
        self.begin(slot, say, positions)
        sentence = self.stage._sentences[slot]
        frames = self.finish(slot)
        self.codes.append(torch.stack(sentence.codes))
        return frames

    def finish(self, slot: int) -> list[Frame]:
        """Of one who speaks: the frames to come."""
        sentence = self.stage._sentences[slot]
        frames: list[Frame] = []
        while not frames or not frames[-1].last:
            self.stage.launch([slot])
            if len(self.stage._launched) > self.stage.ahead:
                mine = self.stage._launched[0][1] == [sentence]
                made = self.stage.collect()
                frames += made if mine else []
        self.stage.release(slot)
        return frames

    def own(self, text: str, speaker: int = 0) -> int:
        """Positions of a text."""
        return len(self.stage._prompts.build((), speaker, text))
