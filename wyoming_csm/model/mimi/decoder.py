"""Mimi's decoder: one frame of codes a slot in, 80 ms of sound a slot out, exact at every seam."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wyoming_csm.model.mimi.config import MimiConfig
from wyoming_csm.model.mimi.convs import Targets, TransposedConv
from wyoming_csm.model.mimi.quantizer import Quantizer
from wyoming_csm.model.mimi.seanet import Seanet
from wyoming_csm.model.mimi.transformer import Transformer


@dataclass(frozen=True)
class MimiState:
    """What the decoder remembers of each slot. Allocated once, changed in place, slots first."""

    position: Tensor  # [slots], int64: the transformer's next position
    histories: list[Tensor]  # of each convolution [slots, channels, kernel - 1]: its last inputs
    tails: list[Tensor]  # of each upsampling [slots, channels, stride]: what overlaps the next
    caches: list[Tensor]  # of each layer [slots, 2, heads, entries, width]: keys and values

    def tensors(self) -> Iterator[Tensor]:
        """All of it."""
        yield self.position
        yield from (*self.histories, *self.tails, *self.caches)

    def first(self, slots: int) -> "MimiState":
        """The same memory, its first slots."""
        return MimiState(
            self.position[:slots],
            [history[:slots] for history in self.histories],
            [tail[:slots] for tail in self.tails],
            [cache[:slots] for cache in self.caches],
        )


class MimiDecoder(nn.Module):
    """The weights. `load_decoder` makes one; `step` neither allocates state nor reads it back."""

    def __init__(self, config: MimiConfig) -> None:
        super().__init__()
        self.config = config
        hidden, stride = config.hidden_size, config.positions_per_frame
        self.quantizer = Quantizer(config)
        self.upsample = TransposedConv(
            hidden, hidden, stride, groups=config.upsample_groups, bias=False
        )
        self.transformer = Transformer(config)
        self.seanet = Seanet(config)

    def targets(self) -> Targets:
        """Each tensor of a checkpoint that is needed, by its flat name, and where it goes."""
        return {
            **self.quantizer.targets("quantizer"),
            **self.upsample.targets("upsample"),
            **self.transformer.targets("decoder_transformer"),
            **self.seanet.targets("decoder"),
        }

    def new_state(
        self, slots: int, device: torch.device | str, dtype: torch.dtype = torch.float32
    ) -> MimiState:
        """All slots at their beginning; device and precision as the weights have them."""
        like = torch.empty(0, device=device, dtype=dtype)
        return MimiState(
            position=like.new_zeros(slots, dtype=torch.int64),
            histories=self.seanet.new_histories(slots, like),
            tails=[self.upsample.new_tail(slots, like), *self.seanet.new_tails(slots, like)],
            caches=self.transformer.new_caches(slots, like),
        )

    def finalize(self) -> None:
        """To be called once, after the targets were filled."""
        self.quantizer.finalize()
        self.transformer.finalize()

    def reset(self, state: MimiState, slot: int) -> None:
        """The slot starts anew, as in a new state; the others go on."""
        for tensor in state.tensors():
            tensor[slot].zero_()

    def move(self, state: MimiState, source: int, target: int) -> None:
        """What the source remembers, the target remembers now."""
        for tensor in state.tensors():
            tensor[target].copy_(tensor[source])

    def swap(self, state: MimiState, one: int, other: int, spare: int) -> None:
        """Two slots change places by way of a third; nothing is allocated, so nothing fails."""
        for source, target in ((one, spare), (other, one), (spare, other)):
            self.move(state, source, target)

    @torch.no_grad()
    def step(self, codes: Tensor, state: MimiState, active: Tensor) -> Tensor:
        """codes [n, codebooks], active [n] bool → samples [n, samples per frame], of the
        state's first n slots.

        An inactive slot's state stays as it is; its codes are not looked at and its row of the
        result means nothing. Codes of active slots must be below `codebook_size`.
        """
        state = state.first(len(codes))
        moves = active[:, None, None]
        codes = torch.where(active[:, None], codes, 0)
        # cuDNN would round single precision to TF32, which is heard
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            latent = self.quantizer(codes)[..., None]  # [slots, hidden, 1]
            x = self.upsample(latent, state.tails[0], moves).transpose(1, 2)
            x = self.transformer(x, state.position, state.caches, active).transpose(1, 2)
            sound: Tensor = self.seanet(x, state.histories, state.tails[1:], moves)
        return sound[:, 0]
