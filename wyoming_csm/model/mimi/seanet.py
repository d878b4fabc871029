"""SEANet: from the transformer's 25 positions a second up to 24 000 samples, and down from them."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wyoming_csm.model.mimi.config import MimiConfig
from wyoming_csm.model.mimi.convs import Conv, StridedConv, Targets, TransposedConv

_LONG_WINDOW = 256  # positions: 10.24 s
_SHORT_WINDOW = 16  # 0.64 s: 4 MB at the first stage


class Residual(nn.Module):
    """x + convolution of 1 over ELU of convolution over ELU of x. Remembers for the wide one."""

    def __init__(self, width: int, inner: int, kernel: int) -> None:
        super().__init__()
        self.wide = Conv(width, inner, kernel)
        self.narrow = Conv(inner, width, 1)

    def targets(self, name: str) -> Targets:
        return {
            **self.wide.targets(f"{name}.block.1"),
            **self.narrow.targets(f"{name}.block.3"),
        }

    def forward(self, x: Tensor, history: Tensor, active: Tensor) -> Tensor:
        """[slots, width, time], shape kept."""
        inner = F.elu(self.wide(F.elu(x), history, active))
        return x + F.conv1d(inner, self.narrow.weight, self.narrow.bias)


class Seanet(nn.Module):
    """A convolution, then for each ratio an upsampling and a residual block, then a convolution."""

    def __init__(self, config: MimiConfig) -> None:
        super().__init__()
        ratios = config.ratios
        widths = [config.num_filters << n for n in range(len(ratios), -1, -1)]
        kernel, compress = config.residual_kernel_size, config.compress
        self.first = Conv(config.hidden_size, widths[0], config.kernel_size)
        self.ups = nn.ModuleList(
            TransposedConv(wide, narrow, ratio)
            for wide, narrow, ratio in zip(widths[:-1], widths[1:], ratios, strict=True)
        )
        self.blocks = nn.ModuleList(
            Residual(width, width // compress, kernel) for width in widths[1:]
        )
        self.last = Conv(widths[-1], 1, config.last_kernel_size)

    def targets(self, name: str) -> Targets:
        """Under the layer numbers of transformers, which counts each ELU as a layer."""
        found = self.first.targets(f"{name}.layers.0")
        for n, (up, block) in enumerate(zip(self.ups, self.blocks, strict=True)):
            assert isinstance(up, TransposedConv)
            assert isinstance(block, Residual)
            found |= up.targets(f"{name}.layers.{3 * n + 2}")
            found |= block.targets(f"{name}.layers.{3 * n + 3}")
        return found | self.last.targets(f"{name}.layers.{3 * len(self.ups) + 2}")

    def new_histories(self, slots: int, like: Tensor) -> list[Tensor]:
        wides = [block.wide for block in self.blocks if isinstance(block, Residual)]
        return [conv.new_history(slots, like) for conv in (self.first, *wides, self.last)]

    def new_tails(self, slots: int, like: Tensor) -> list[Tensor]:
        return [up.new_tail(slots, like) for up in self.ups if isinstance(up, TransposedConv)]

    def forward(
        self, x: Tensor, histories: list[Tensor], tails: list[Tensor], active: Tensor
    ) -> Tensor:
        """[slots, hidden, positions] → [slots, 1, samples]."""
        first, *middle, last = histories
        x = self.first(x, first, active)
        for up, tail, block, history in zip(self.ups, tails, self.blocks, middle, strict=True):
            x = block(up(F.elu(x), tail, active), history, active)
        sound: Tensor = self.last(F.elu(x), last, active)
        return sound


class Stage(nn.Module):
    """A residual block, then down by `stride` to twice the channels."""

    def __init__(self, width: int, stride: int, config: MimiConfig) -> None:
        super().__init__()
        inner = width // config.compress
        self.wide = StridedConv(width, inner, config.residual_kernel_size, elu=True)
        self.narrow = StridedConv(inner, width, 1)
        self.down = StridedConv(width, 2 * width, 2 * stride, stride, elu=True)

    def targets(self, name: str, layer: int) -> Targets:
        """The residual block is that layer of the checkpoint, the way down the next but one."""
        return {
            **self.wide.targets(f"{name}.layers.{layer}.block.1"),
            **self.narrow.targets(f"{name}.layers.{layer}.block.3"),
            **self.down.targets(f"{name}.layers.{layer + 2}"),
        }

    def new_histories(self, like: Tensor) -> tuple[Tensor, Tensor]:
        return self.wide.new_history(like), self.down.new_history(like)

    def forward(self, x: Tensor, wide: Tensor, down: Tensor) -> Tensor:
        """[time, width] → [time / stride, 2 width]; `wide` and `down` are histories."""
        inner = F.elu_(self.wide(x, wide))
        lower: Tensor = self.down(self.narrow.convolve(inner).add_(x), down)
        return lower


class SeanetEncoder(nn.Module):
    """A convolution, then for each ratio a residual block and a way down, then a convolution.

    It goes in windows, so that memory does not grow with the recording; all stages but the last,
    which have many positions and few weights, in shorter ones that fit the processor's caches.
    """

    def __init__(self, config: MimiConfig) -> None:
        super().__init__()
        ratios = config.ratios[::-1]
        self._step = math.prod(ratios)
        self.first = StridedConv(1, config.num_filters, config.kernel_size)
        self.stages = nn.ModuleList(
            Stage(config.num_filters << n, ratio, config) for n, ratio in enumerate(ratios)
        )
        width = config.num_filters << len(ratios)
        self.last = StridedConv(width, config.hidden_size, config.last_kernel_size, elu=True)

    def targets(self, name: str) -> Targets:
        """Under the layer numbers of transformers, which counts each ELU as a layer."""
        found = self.first.targets(f"{name}.layers.0")
        for n, stage in enumerate(self._stages()):
            found |= stage.targets(name, 3 * n + 1)
        return found | self.last.targets(f"{name}.layers.{3 * len(self.stages) + 2}")

    def forward(self, sound: Tensor) -> Tensor:
        """[samples] → [positions, hidden]; at least one sample."""
        *fine, coarse = self._stages()
        first, last = self.first.new_history(sound), self.last.new_history(sound)
        *histories, history = [stage.new_histories(sound) for stage in self._stages()]
        made = []
        for long in torch.split(sound[:, None], _LONG_WINDOW * self._step):
            parts = []
            for short in torch.split(long, _SHORT_WINDOW * self._step):
                x = self.first(short, first)
                for stage, (wide, down) in zip(fine, histories, strict=True):
                    x = stage(x, wide, down)
                parts.append(x)
            x = coarse(torch.cat(parts), *history)
            made.append(self.last(x, last))
        return torch.cat(made)

    def _stages(self) -> list[Stage]:
        return [stage for stage in self.stages if isinstance(stage, Stage)]
