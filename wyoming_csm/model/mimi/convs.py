"""Causal convolutions fed chunk by chunk: what they must remember is passed in, changed in place.

The decoder's take [slots, channels, time]; `active` [slots, 1, 1] says whose memory moves on: the
sound of the others means nothing. The encoder's take a single recording, channels last: [time,
channels]. On a CPU these, and products, are oneDNN's convolution, which takes that as it is: 1.2 to
2 times as quick as with channels first, and as a product twice as quick as MKL on AMD's processors.
"""

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

Targets = dict[str, Tensor]  # name in a checkpoint → where its values go


def empty_weight(*shape: int) -> nn.Parameter:
    """A weight that only inference uses, to be filled from a checkpoint."""
    return nn.Parameter(torch.empty(shape), requires_grad=False)


class Weights(nn.Module):
    """A module with weights of its own, at the path that a checkpoint's flat names give it."""

    def targets(self) -> Targets:
        """Return where each tensor below the module's name goes: here those of a convolution."""
        return {f"conv.{key}": weight for key, weight in self.named_parameters()}


class Conv(Weights):
    """Convolution of stride 1. It remembers its last `kernel - 1` inputs, at first zeros."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.weight = empty_weight(outputs, inputs, kernel)
        self.bias = empty_weight(outputs)

    def new_memory(self, slots: int, like: Tensor) -> Tensor:
        _, inputs, kernel = self.weight.shape
        return like.new_zeros(slots, inputs, kernel - 1)

    def forward(self, x: Tensor, history: Tensor, active: Tensor) -> Tensor:
        """[slots, inputs, time] → [slots, outputs, time]."""
        inputs = torch.cat((history, x), dim=-1)
        recent = inputs[..., inputs.shape[-1] - history.shape[-1] :]
        history.copy_(torch.where(active, recent, history))
        kernel = self.weight.shape[2]
        if x.shape[-1] < kernel:  # few positions: as a product, a third of the time on a CPU
            windows = inputs.unfold(-1, kernel, 1).transpose(1, 2).flatten(2)
            return F.linear(windows, self.weight.flatten(1), self.bias).transpose(1, 2)
        return F.conv1d(inputs, self.weight, self.bias)


class TransposedConv(Weights):
    """Upsampling by `stride`, kernel twice the stride: each input is in two outputs' spans.

    It remembers the second span of its last input, without the bias.
    """

    def __init__(
        self, inputs: int, outputs: int, stride: int, groups: int = 1, bias: bool = True
    ) -> None:
        super().__init__()
        self.weight = empty_weight(inputs, outputs // groups, 2 * stride)
        self.bias = empty_weight(outputs) if bias else None
        self._outputs, self._stride, self._groups = outputs, stride, groups

    def new_memory(self, slots: int, like: Tensor) -> Tensor:
        return like.new_zeros(slots, self._outputs, self._stride)

    def forward(self, x: Tensor, tail: Tensor, active: Tensor) -> Tensor:
        """[slots, inputs, time] → [slots, outputs, time * stride]."""
        slots, _, time = x.shape
        grouped = x.reshape(slots, self._groups, -1, time)
        weight = self.weight.view(*grouped.shape[1:3], -1, 2 * self._stride)
        # A product: for 2 inputs torch's own transposed convolution takes 20 times as long.
        spans = torch.einsum("sgit,giok->sgotk", grouped, weight)
        now, later = spans.reshape(slots, self._outputs, time, 2, self._stride).unbind(dim=3)
        spread = torch.cat((tail[:, :, None], later), dim=2)  # [slots, outputs, time + 1, stride]
        tail.copy_(torch.where(active, spread[:, :, -1], tail))
        sound: Tensor = (now + spread[:, :, :-1]).flatten(2)
        return sound if self.bias is None else sound + self.bias[:, None]


class StridedConv(Weights):
    """Causal convolution. It remembers its last `kernel - stride` inputs, at first zeros."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        *,
        elu: bool = False,
        bias: bool = True,
    ) -> None:
        """Convolve inputs as they are, or with `elu` their ELU."""
        super().__init__()
        self.elu = elu
        values = torch.empty(outputs, kernel, inputs)  # in the order that convolving wants
        self.weight = nn.Parameter(values.transpose(1, 2), requires_grad=False)
        self.bias = empty_weight(outputs) if bias else None
        self._stride, self.reach = stride, kernel - stride

    def new_history(self, like: Tensor) -> Tensor:
        return like.new_zeros(self.reach, self.weight.shape[1])

    def forward(self, x: Tensor, history: Tensor) -> Tensor:
        """[time, inputs] → [time / stride, outputs]; a begun stride is filled up with zeros, which
        a recording's last chunk may need, and no other."""
        missing = x.new_zeros(-len(x) % self._stride, x.shape[1])
        inputs = torch.cat((history, x, missing))
        history.copy_(inputs[len(inputs) - self.reach :])
        return self.convolve(F.elu_(inputs) if self.elu else inputs)

    def convolve(self, inputs: Tensor) -> Tensor:
        """Convolve [reach + time, inputs] without zeros or history, and without ELU."""
        return _convolve(inputs, self.weight, self.bias, self._stride)


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Multiply as `F.linear`: x [..., inputs], weight [outputs, inputs] → [..., outputs]."""
    if x.device.type != "cpu":
        return F.linear(x, weight, bias)
    made = _convolve(x.flatten(0, -2), weight[..., None], bias, 1)
    return made.reshape(*x.shape[:-1], -1)


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int) -> Tensor:
    """x [time, inputs], weight [outputs, inputs, kernel] → [positions, outputs]."""
    if x.shape[1] == 1:  # with so little to share, a product takes a third of the time
        return F.linear(x[:, 0].unfold(0, weight.shape[2], stride), weight[:, 0], bias)
    image = rearrange(x, "time inputs -> 1 inputs 1 time")
    last = rearrange(weight, "outputs inputs kernel -> outputs 1 kernel inputs")
    filters = last.permute(0, 3, 1, 2)  # so torch sees that channels come last
    made = F.conv2d(image, filters, bias, (1, stride))
    return rearrange(made, "1 outputs 1 time -> time outputs")
