"""SEANet's decoder: from the transformer's 25 positions a second up to 24 000 samples."""

from torch import Tensor, nn
from torch.nn import functional as F

from wyoming_csm.model.mimi.config import MimiConfig
from wyoming_csm.model.mimi.convs import Conv, Residual, Targets, TransposedConv


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
        """Return the weights by transformers' layer numbers, which count each ELU as a layer."""
        found = self.first.targets(f"{name}.layers.0")
        for n, (up, block) in enumerate(zip(self.ups, self.blocks, strict=True)):
            assert isinstance(up, TransposedConv)
            assert isinstance(block, Residual)
            found |= up.targets(f"{name}.layers.{3 * n + 2}")
            found |= block.targets(f"{name}.layers.{3 * n + 3}")
        return found | self.last.targets(f"{name}.layers.{3 * len(self.ups) + 2}")

    def new_histories(self, slots: int, like: Tensor) -> list[Tensor]:
        """Return those of the first convolution, each block, and the last convolution."""
        wides = [block.wide for block in self.blocks if isinstance(block, Residual)]
        return [conv.new_history(slots, like) for conv in (self.first, *wides, self.last)]

    def new_tails(self, slots: int, like: Tensor) -> list[Tensor]:
        """Return those of each upsampling."""
        return [up.new_tail(slots, like) for up in self.ups if isinstance(up, TransposedConv)]

    def forward(
        self, x: Tensor, histories: list[Tensor], tails: list[Tensor], active: Tensor
    ) -> Tensor:
        """Return [slots, 1, samples] of x [slots, hidden, positions]."""
        first, *middle, last = histories
        x = self.first(x, first, active)
        for up, tail, block, history in zip(self.ups, tails, self.blocks, middle, strict=True):
            x = block(up(F.elu(x), tail, active), history, active)
        sound: Tensor = self.last(F.elu(x), last, active)
        return sound
