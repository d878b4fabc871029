"""SEANet's encoder: from 24 000 samples a second down to the transformer's 25 positions.

Channels come last here, [time, channels]: so oneDNN convolves without reordering.
"""

import math

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from wyoming_csm.model.mimi.config import MimiConfig
from wyoming_csm.model.mimi.convs import Targets, empty_weight

_WINDOW_POSITIONS = 32  # 1.28 s


class StridedConv(nn.Module):
    """Causal convolution. It remembers its last `kernel - stride` inputs, at first zeros."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, bias: bool = True
    ) -> None:
        super().__init__()
        values = torch.empty(outputs, kernel, inputs)  # in the order that convolving wants
        self.weight = nn.Parameter(values.transpose(1, 2), requires_grad=False)
        self.bias = empty_weight(outputs) if bias else None
        self._stride, self.reach = stride, kernel - stride

    def targets(self, name: str) -> Targets:
        bias = {} if self.bias is None else {f"{name}.conv.bias": self.bias}
        return {f"{name}.conv.weight": self.weight, **bias}

    def new_history(self, like: Tensor) -> Tensor:
        return like.new_zeros(self.reach, self.weight.shape[1])

    def forward(self, x: Tensor, history: Tensor) -> Tensor:
        """[time, inputs] → [time / stride, outputs]; a begun stride is filled up with zeros, which
        a recording's last piece may need, and no other."""
        missing = x.new_zeros(-len(x) % self._stride, x.shape[1])
        heard = torch.cat((history, x, missing))
        history.copy_(heard[len(heard) - self.reach :])
        return self.convolve(heard)

    def convolve(self, heard: Tensor) -> Tensor:
        """The same of all that it needs to hear, [reach + time, inputs], remembering nothing."""
        image = rearrange(heard, "time inputs -> 1 inputs 1 time")
        made = F.conv2d(image, self.weight[:, :, None], self.bias, (1, self._stride))
        return rearrange(made, "1 outputs 1 time -> time outputs")


class Stage(nn.Module):
    """A residual block, then down by `stride` to twice the channels."""

    def __init__(self, width: int, stride: int, config: MimiConfig) -> None:
        super().__init__()
        inner = width // config.compress
        self.wide = StridedConv(width, inner, config.residual_kernel_size)
        self.narrow = StridedConv(inner, width, 1)
        self.down = StridedConv(width, 2 * width, 2 * stride, stride)

    def targets(self, name: str, layer: int) -> Targets:
        """The residual block is that layer of the checkpoint, the way down the next but one."""
        return {
            **self.wide.targets(f"{name}.layers.{layer}.block.1"),
            **self.narrow.targets(f"{name}.layers.{layer}.block.3"),
            **self.down.targets(f"{name}.layers.{layer + 2}"),
        }

    def new_histories(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Of the two convolutions that hear more than one position."""
        return self.wide.new_history(like), self.down.new_history(like)

    def forward(self, x: Tensor, wide: Tensor, down: Tensor) -> Tensor:
        """[time, width] → [time / stride, 2 width]; `wide` and `down` are histories."""
        x = x + self.narrow.convolve(F.elu(self.wide(F.elu(x), wide)))
        lower: Tensor = self.down(F.elu(x), down)
        return lower


class SeanetEncoder(nn.Module):
    """A convolution, then for each ratio a residual block and a way down, then a convolution.

    All stages but the last go in windows, so that what they make stays in the processor's caches
    and does not grow with the recording. The last stage and what follows hold most of the weights
    and few positions: they go over the whole at once.
    """

    def __init__(self, config: MimiConfig) -> None:
        super().__init__()
        ratios = config.ratios[::-1]
        self._window = _WINDOW_POSITIONS * math.prod(ratios)
        self.first = StridedConv(1, config.num_filters, config.kernel_size)
        self.stages = nn.ModuleList(
            Stage(config.num_filters << n, ratio, config) for n, ratio in enumerate(ratios)
        )
        width = config.num_filters << len(ratios)
        self.last = StridedConv(width, config.hidden_size, config.last_kernel_size)

    def targets(self, name: str) -> Targets:
        """Under the layer numbers of transformers, which counts each ELU as a layer."""
        found = self.first.targets(f"{name}.layers.0")
        for n, stage in enumerate(self._stages()):
            found |= stage.targets(name, 3 * n + 1)
        return found | self.last.targets(f"{name}.layers.{3 * len(self.stages) + 2}")

    def forward(self, sound: Tensor) -> Tensor:
        """[samples] → [positions, hidden]; at least one sample."""
        *fine, coarse = self._stages()
        heard = self.first.new_history(sound)
        histories = [stage.new_histories(sound) for stage in fine]
        made = []
        for piece in torch.split(sound[:, None], self._window):
            x = self.first(piece, heard)
            for stage, history in zip(fine, histories, strict=True):
                x = stage(x, *history)
            made.append(x)
        x = coarse(torch.cat(made), *coarse.new_histories(sound))
        positions: Tensor = self.last(F.elu(x), self.last.new_history(sound))
        return positions

    def _stages(self) -> list[Stage]:
        return [stage for stage in self.stages if isinstance(stage, Stage)]
