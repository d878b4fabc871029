"""SEANet's encoder: from 24 000 samples a second down to the transformer's 25 positions."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wyoming_csm.model.mimi.config import MimiConfig
from wyoming_csm.model.mimi.convs import Targets
from wyoming_csm.model.mimi.whole_convs import StridedConv

_LONG_WINDOW = 256  # positions: 10.24 s
_SHORT_WINDOW = 16  # 0.64 s: 4 MB at the first stage


class Stage(nn.Module):
    """A residual block, then down by `stride` to twice the channels."""

    def __init__(self, width: int, stride: int, config: MimiConfig) -> None:
        super().__init__()
        inner = width // config.compress
        self.wide = StridedConv(width, inner, config.residual_kernel_size, elu=True)
        self.narrow = StridedConv(inner, width, 1)
        self.down = StridedConv(width, 2 * width, 2 * stride, stride, elu=True)

    def targets(self, name: str, layer: int) -> Targets:
        """Return the weights: the residual block is that layer, the way down the next but one."""
        return {
            **self.wide.targets(f"{name}.layers.{layer}.block.1"),
            **self.narrow.targets(f"{name}.layers.{layer}.block.3"),
            **self.down.targets(f"{name}.layers.{layer + 2}"),
        }

    def new_histories(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return those of the two convolutions that read more than one position."""
        return self.wide.new_history(like), self.down.new_history(like)

    def forward(self, x: Tensor, wide: Tensor, down: Tensor) -> Tensor:
        """Return [time / stride, 2 width] of x [time, width]; `wide` and `down` are histories."""
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
        """Return the weights by transformers' layer numbers, which count each ELU as a layer."""
        found = self.first.targets(f"{name}.layers.0")
        for n, stage in enumerate(self._stages()):
            found |= stage.targets(name, 3 * n + 1)
        return found | self.last.targets(f"{name}.layers.{3 * len(self.stages) + 2}")

    def forward(self, sound: Tensor) -> Tensor:
        """Return [positions, hidden] of [samples], at least one."""
        *fine, coarse = self._stages()
        first, last = self.first.new_history(sound), self.last.new_history(sound)
        *histories, history = [stage.new_histories(sound) for stage in self._stages()]
        made = []
        for long in torch.split(sound[:, None], _LONG_WINDOW * self._step):
            chunks = []
            for short in torch.split(long, _SHORT_WINDOW * self._step):
                x = self.first(short, first)
                for stage, (wide, down) in zip(fine, histories, strict=True):
                    x = stage(x, wide, down)
                chunks.append(x)
            x = coarse(torch.cat(chunks), *history)
            made.append(self.last(x, last))
        return torch.cat(made)

    def _stages(self) -> list[Stage]:
        return [stage for stage in self.stages if isinstance(stage, Stage)]
