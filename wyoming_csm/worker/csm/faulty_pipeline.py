"""A pipeline whose memory is full, whose numbers are none, or that never ends, as the fault switch
says."""

from collections.abc import Sequence

import torch
from torch import Tensor

from wyoming_csm.faults import Switch
from wyoming_csm.model.csm import is_end
from wyoming_csm.model.cuda import GraphRoom
from wyoming_csm.model.generator import FrameGenerator
from wyoming_csm.model.mimi.decoder import MimiDecoder
from wyoming_csm.model.pipeline import FrameHandle, FramePipeline


class FaultyPipeline(FramePipeline):
    """Counts the frames of each slot's sound, and lets the one go wrong that the switch names."""

    def __init__(
        self, generator: FrameGenerator, decoder: MimiDecoder, room: GraphRoom, switch: Switch
    ) -> None:
        super().__init__(generator, decoder, room=room)
        self._switch = switch
        self._made: dict[int, int] = {}  # frames, by slot

    def start_sound(self, slot: int) -> None:
        super().start_sound(slot)
        self._made[slot] = 0

    @torch.inference_mode()
    def launch(self, active: Sequence[int]) -> FrameHandle:
        memory, nan = self._switch.number("memory"), self._switch.number("nan")
        babbles = self._switch.number("babble") is not None
        if memory is not None and memory in [self._made.get(slot) for slot in active]:
            raise torch.OutOfMemoryError("as the fault switch says")
        for slot in active:
            if nan is not None and self._made.get(slot) == nan:
                self._generator.hidden[self._table.take(slot)] = torch.nan
            self._made[slot] = self._made.get(slot, 0) + 1
        wait = super().launch(active)

        def without_end() -> tuple[Tensor, Tensor]:
            codes, samples = wait()
            return codes.masked_fill(is_end(codes)[:, None], 1), samples

        return without_end if babbles else wait
