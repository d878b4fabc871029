"""Mimi's encoder: a whole recording at 24 kHz in, 12.5 frames of codes a second out."""

import torch
from torch import Tensor, nn

from wyoming_csm.model.mimi.config import MimiConfig
from wyoming_csm.model.mimi.convs import Targets
from wyoming_csm.model.mimi.quantizer import QuantizerSearch
from wyoming_csm.model.mimi.rows import StridedConv
from wyoming_csm.model.mimi.seanet_encoder import SeanetEncoder
from wyoming_csm.model.mimi.whole_transformer import WholeTransformer


class MimiEncoder(nn.Module):
    """The weights. `load_encoder` makes one."""

    def __init__(self, config: MimiConfig, codebooks: int) -> None:
        """Only the first `codebooks` are looked for."""
        super().__init__()
        self.config, self._codebooks = config, codebooks
        hidden, self._stride = config.hidden_size, config.positions_per_frame
        self.seanet = SeanetEncoder(config)
        self.transformer = WholeTransformer(config)
        self.downsample = StridedConv(hidden, hidden, 2 * self._stride, self._stride, bias=False)
        self.quantizer = QuantizerSearch(config)

    def targets(self) -> Targets:
        """Each tensor of a checkpoint that is needed, by its flat name, and where it goes."""
        return {
            **self.seanet.targets("encoder"),
            **self.transformer.targets("encoder_transformer"),
            **self.downsample.targets("downsample"),
            **self.quantizer.targets("quantizer"),
        }

    def finalize(self) -> None:
        """To be called once, after the targets were filled."""
        self.quantizer.finalize()

    @torch.no_grad()
    def encode(self, samples: Tensor) -> Tensor:
        """[samples] at 24 kHz, at least one → codes [frames, codebooks], int64, on its device.

        A begun frame counts as one. Memory grows by 1 MB with each second; a minute takes a
        second or two on a CPU.
        """
        codes: Tensor = self.quantizer(self.latents(samples), self._codebooks)
        return codes

    @torch.no_grad()
    def latents(self, samples: Tensor) -> Tensor:
        """What the codes are found for: [frames, hidden]."""
        # cuDNN would round single precision to TF32, which changes codes
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            positions = self.transformer(self.seanet(samples))
            return self.downsample.convolve(self._filled(positions))

    def _filled(self, positions: Tensor) -> Tensor:
        """Before the first position and after the last there are none: they are repeated."""
        before = positions[:1].expand(self.downsample.reach, -1)
        after = positions[-1:].expand(-len(positions) % self._stride, -1)
        return torch.cat((before, positions, after))
