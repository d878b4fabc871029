"""Causal convolutions fed chunk by chunk: their memory is passed in and changed in place.

`active` [slots, 1, 1] says which slots' memory moves on; the sound of the others means nothing.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Targets = dict[str, Tensor]  # name in a checkpoint → where its values go


def empty_weight(*shape: int) -> nn.Parameter:
    """Return a weight that only inference uses, to be filled from a checkpoint."""
    return nn.Parameter(torch.empty(shape), requires_grad=False)


class Conv(nn.Module):
    """A convolution of stride 1. Its history is its last `kernel - 1` inputs, at first zeros."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.weight = empty_weight(outputs, inputs, kernel)
        self.bias = empty_weight(outputs)

    def targets(self, name: str) -> Targets:
        return {f"{name}.conv.weight": self.weight, f"{name}.conv.bias": self.bias}

    def new_history(self, slots: int, like: Tensor) -> Tensor:
        _, inputs, kernel = self.weight.shape
        return like.new_zeros(slots, inputs, kernel - 1)

    def forward(self, x: Tensor, history: Tensor, active: Tensor) -> Tensor:
        """Return [slots, outputs, time] of x [slots, inputs, time]."""
        whole = torch.cat((history, x), dim=-1)
        recent = whole[..., whole.shape[-1] - history.shape[-1] :]
        history.copy_(torch.where(active, recent, history))
        kernel = self.weight.shape[2]
        if x.shape[-1] < kernel:  # few positions: as a product, a third of the time on a CPU
            windows = whole.unfold(-1, kernel, 1).transpose(1, 2).flatten(2)
            return F.linear(windows, self.weight.flatten(1), self.bias).transpose(1, 2)
        return F.conv1d(whole, self.weight, self.bias)


class TransposedConv(nn.Module):
    """Upsampling by `stride`, kernel twice the stride: each input adds to two outputs' spans.

    Its tail is the second span of its last input, without the bias.
    """

    def __init__(
        self, inputs: int, outputs: int, stride: int, groups: int = 1, bias: bool = True
    ) -> None:
        super().__init__()
        self.weight = empty_weight(inputs, outputs // groups, 2 * stride)
        self.bias = empty_weight(outputs) if bias else None
        self._outputs, self._stride, self._groups = outputs, stride, groups

    def targets(self, name: str) -> Targets:
        bias = {} if self.bias is None else {f"{name}.conv.bias": self.bias}
        return {f"{name}.conv.weight": self.weight, **bias}

    def new_tail(self, slots: int, like: Tensor) -> Tensor:
        return like.new_zeros(slots, self._outputs, self._stride)

    def forward(self, x: Tensor, tail: Tensor, active: Tensor) -> Tensor:
        """Return [slots, outputs, time * stride] of x [slots, inputs, time]."""
        slots, _, time = x.shape
        grouped = x.reshape(slots, self._groups, -1, time)
        weight = self.weight.view(*grouped.shape[1:3], -1, 2 * self._stride)
        # A product: for 2 inputs torch's own transposed convolution takes 20 times as long.
        spans = torch.einsum("sgit,giok->sgotk", grouped, weight)
        now, later = spans.reshape(slots, self._outputs, time, 2, self._stride).unbind(dim=3)
        overlap = torch.cat((tail[:, :, None], later), dim=2)  # [slots, outputs, time + 1, stride]
        tail.copy_(torch.where(active, overlap[:, :, -1], tail))
        sound: Tensor = (now + overlap[:, :, :-1]).flatten(2)
        return sound if self.bias is None else sound + self.bias[:, None]


class Residual(nn.Module):
    """x + convolution of 1 over ELU of convolution over ELU of x. The history is the wide one's."""

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
        """Return x [slots, width, time] in its shape."""
        inner = F.elu(self.wide(F.elu(x), history, active))
        return x + F.conv1d(inner, self.narrow.weight, self.narrow.bias)
