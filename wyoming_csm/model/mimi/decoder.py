"""Mimi's decoder: one frame of codes a slot in, 80 ms of sound a slot out, exact at every seam."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wyoming_csm.model.mimi.config import MimiConfig
from wyoming_csm.model.mimi.convs import TransposedConv
from wyoming_csm.model.mimi.quantizer import Quantizer
from wyoming_csm.model.mimi.seanet import Seanet
from wyoming_csm.model.mimi.transformer import Transformer


@dataclass(frozen=True)
class MimiState:
    """The decoder's state of each slot. Allocated once, changed in place, slots first."""

    position: Tensor  # [slots], int64: the transformer's next position
    # [slots, channels, time]: of a convolution its last inputs, of an upsampling what overlaps the
    # next; its first is that before the transformer, SEANet's follow in their order
    memories: list[Tensor]
    caches: list[Tensor]  # of each layer [slots, 2, heads, entries, width]: keys and values

    def tensors(self) -> Iterator[Tensor]:
        """Yield all of the state's tensors."""
        yield self.position
        yield from (*self.memories, *self.caches)

    def first(self, slots: int) -> "MimiState":
        """Return the same memory, its first slots."""
        return MimiState(
            self.position[:slots],
            [memory[:slots] for memory in self.memories],
            [cache[:slots] for cache in self.caches],
        )


class MimiDecoder(nn.Module):
    """The weights. `load_decoder` makes one; `step` neither allocates state nor reads it back."""

    def __init__(self, config: MimiConfig) -> None:
        super().__init__()
        self.config = config
        hidden, stride = config.hidden_size, config.positions_per_frame
        self.quantizer = Quantizer(config)
        self.upsample = TransposedConv(hidden, hidden, stride, config.upsample_groups, bias=False)
        self.decoder_transformer = Transformer(config)
        self.decoder = Seanet(config)

    def new_state(
        self, slots: int, device: torch.device | str, dtype: torch.dtype = torch.float32
    ) -> MimiState:
        """Return all slots at their beginning; device and precision as the weights have them."""
        like = torch.empty(0, device=device, dtype=dtype)
        return MimiState(
            position=like.new_zeros(slots, dtype=torch.int64),
            memories=[
                self.upsample.new_memory(slots, like),
                *self.decoder.new_memories(slots, like),
            ],
            caches=self.decoder_transformer.new_caches(slots, like),
        )

    def reset(self, state: MimiState, slot: int) -> None:
        """Start the slot anew, as in a new state; the others go on."""
        for tensor in state.tensors():
            tensor[slot].zero_()

    def swap(self, state: MimiState, one: int, other: int, spare: int) -> None:
        """Exchange two slots' state by way of a third; nothing is allocated, so nothing fails."""
        for tensor in state.tensors():
            for source, target in ((one, spare), (other, one), (spare, other)):
                tensor[target].copy_(tensor[source])

    @torch.no_grad()
    def step(self, codes: Tensor, state: MimiState, active: Tensor) -> Tensor:
        """Return samples [n, samples per frame] of codes [n, codebooks], for the first n slots.

        An inactive slot's state stays as it is; its codes are not looked at and its row of the
        result means nothing: `active` is bool [n]. Codes of active slots must be below
        `codebook_size`.
        """
        state = state.first(len(codes))
        upsampling, *memories = state.memories
        moves = active[:, None, None]
        codes = torch.where(active[:, None], codes, 0)
        # cuDNN would round single precision to TF32, which is heard
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            latent = self.quantizer(codes)[..., None]  # [slots, hidden, 1]
            x = self.upsample(latent, upsampling, moves).transpose(1, 2)
            x = self.decoder_transformer(x, state.position, state.caches, active).transpose(1, 2)
            sound: Tensor = self.decoder(x, memories, moves)
        return sound[:, 0]
