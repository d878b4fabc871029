"""SEANet: from the transformer's 25 positions a second up to 24 000 samples, and down from them."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wyoming_csm.model.mimi.config import MimiConfig
from wyoming_csm.model.mimi.convs import Conv, StridedConv, TransposedConv

LONG_WINDOW = 256  # positions: 10.24 s
SHORT_WINDOW = 16  # 0.64 s: 4 MB at the first stage


class Residual(nn.Module):
    """x + convolution of 1 over ELU of convolution over ELU of x. Remembers for the wide one."""

    def __init__(self, width: int, config: MimiConfig) -> None:
        super().__init__()
        inner = width // config.compress
        self._convs = Conv(width, inner, config.residual_kernel_size), Conv(inner, width, 1)
        self.block = nn.ModuleDict(dict(zip("13", self._convs, strict=True)))

    def new_memory(self, slots: int, like: Tensor) -> Tensor:
        return self._convs[0].new_memory(slots, like)

    def forward(self, x: Tensor, memory: Tensor, active: Tensor) -> Tensor:
        """[slots, width, time] to the same shape."""
        wide, narrow = self._convs
        inner = F.elu(wide(F.elu(x), memory, active))
        return x + F.conv1d(inner, narrow.weight, narrow.bias)


class Seanet(nn.Module):
    """A convolution, then for each ratio an upsampling and a residual block, then a convolution.

    `layers` have the numbers that a checkpoint gives them, where each ELU counts as one.
    """

    def __init__(self, config: MimiConfig) -> None:
        super().__init__()
        width = config.num_filters << len(config.ratios)
        self.layers = nn.ModuleList([Conv(config.hidden_size, width, config.kernel_size)])
        for ratio in config.ratios:
            up = TransposedConv(width, width // 2, ratio)
            width //= 2
            self.layers += [nn.ELU(), up, Residual(width, config)]
        self.layers += [nn.ELU(), Conv(width, 1, config.last_kernel_size)]

    def new_memories(self, slots: int, like: Tensor) -> list[Tensor]:
        return [
            layer.new_memory(slots, like)
            for layer in self.layers
            if isinstance(layer, Conv | TransposedConv | Residual)
        ]

    def forward(self, x: Tensor, memories: list[Tensor], active: Tensor) -> Tensor:
        """[slots, hidden, positions] → [slots, 1, samples]."""
        memory = iter(memories)
        for layer in self.layers:
            x = layer(x) if isinstance(layer, nn.ELU) else layer(x, next(memory), active)
        return x


class EncoderResidual(nn.Module):
    """A residual block of the same kind for one recording, channels last."""

    def __init__(self, width: int, config: MimiConfig) -> None:
        super().__init__()
        inner = width // config.compress
        wide = StridedConv(width, inner, config.residual_kernel_size, elu=True)
        self._convs = wide, StridedConv(inner, width, 1)
        self.block = nn.ModuleDict(dict(zip("13", self._convs, strict=True)))

    def new_history(self, like: Tensor) -> Tensor:
        return self._convs[0].new_history(like)

    def forward(self, x: Tensor, history: Tensor) -> Tensor:
        """[time, width] to the same shape."""
        wide, narrow = self._convs
        return narrow.convolve(F.elu_(wide(x, history))).add_(x)


class SeanetEncoder(nn.Module):
    """A convolution, a residual block and a way down for each ratio, then a convolution.

    It goes in windows, so that memory does not grow with the recording; all layers but the last
    three, which have many positions and few weights, in shorter ones that fit the processor's
    caches.
    """

    def __init__(self, config: MimiConfig) -> None:
        super().__init__()
        self._step = math.prod(config.ratios)
        width = config.num_filters
        self._convs: list[StridedConv | EncoderResidual]
        self._convs = [StridedConv(1, width, config.kernel_size)]
        for ratio in reversed(config.ratios):
            down = StridedConv(width, 2 * width, 2 * ratio, ratio, elu=True)
            self._convs += [EncoderResidual(width, config), down]
            width *= 2
        last = StridedConv(width, config.hidden_size, config.last_kernel_size, elu=True)
        self._convs.append(last)
        self.layers = nn.ModuleList()
        for conv in self._convs:
            if isinstance(conv, StridedConv) and conv.elu:
                self.layers.append(nn.Identity())  # its ELU, a layer of its own in a checkpoint
            self.layers.append(conv)

    def forward(self, sound: Tensor) -> Tensor:
        """[samples] → [positions, hidden]; at least one sample."""
        convs = [(conv, conv.new_history(sound)) for conv in self._convs]
        made = []
        for long in torch.split(sound[:, None], LONG_WINDOW * self._step):
            shorts = torch.split(long, SHORT_WINDOW * self._step)
            fine = [_run(convs[:-3], short) for short in shorts]
            made.append(_run(convs[-3:], torch.cat(fine)))
        return torch.cat(made)


def _run(convs: list[tuple[StridedConv | EncoderResidual, Tensor]], x: Tensor) -> Tensor:
    for conv, history in convs:
        x = conv(x, history)
    return x
