"""Mimi's encoder: a whole recording at 24 kHz in, 12.5 frames of codes a second out."""

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from wyoming_csm.model.mimi.config import MimiConfig
from wyoming_csm.model.mimi.convs import StridedConv, product
from wyoming_csm.model.mimi.layers import Layers
from wyoming_csm.model.mimi.quantizer import Quantizer
from wyoming_csm.model.mimi.seanet import SeanetEncoder


class MimiEncoder(nn.Module):
    """The weights. `load_encoder` makes one."""

    def __init__(self, config: MimiConfig, codebooks: int) -> None:
        """Make an encoder that finds the codes of the first `codebooks`."""
        super().__init__()
        self.config, self._codebooks = config, codebooks
        hidden, self._stride = config.hidden_size, config.positions_per_frame
        self.encoder = SeanetEncoder(config)
        self.encoder_transformer = WholeTransformer(config)
        self.downsample = StridedConv(hidden, hidden, 2 * self._stride, self._stride, bias=False)
        self.quantizer = Quantizer(config, "input")

    @torch.no_grad()
    def encode(self, samples: Tensor) -> Tensor:
        """[samples] at 24 kHz, at least one → codes [frames, codebooks], int64, on its device.

        A begun frame counts as one. Memory grows by 1 MB with each second; a minute takes a
        second or two on a CPU.
        """
        codes: Tensor = self.quantizer.search(self.latents(samples), self._codebooks)
        return codes

    @torch.no_grad()
    def latents(self, samples: Tensor) -> Tensor:
        """Return [frames, hidden], for which the codes are found."""
        # cuDNN would round single precision to TF32, which changes codes
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            positions = self.encoder_transformer(self.encoder(samples))
            # before the first position and after the last there are none: they are repeated
            before = positions[:1].expand(self.downsample.reach, -1)
            after = positions[-1:].expand(-len(positions) % self._stride, -1)
            return self.downsample.convolve(torch.cat((before, positions, after)))


class WholeTransformer(Layers):
    """Attention of each position to itself and the `sliding_window - 1` before it.

    Attention goes in blocks as long as that window: a block sees itself and the one before it, so
    that time and memory grow with the recording's length and not with its square.
    """

    def __init__(self, config: MimiConfig) -> None:
        super().__init__(config, product)
        self._window = config.sliding_window

    def forward(self, x: Tensor) -> Tensor:
        """[positions, hidden] to the same shape; at least one position."""
        block = min(self._window, len(x))
        rotation = self.rotation(torch.arange(len(x), device=x.device), x.dtype)
        seen = self._seen(len(x), block, x.device)
        x = x[None]
        for layer in self:
            query, key, value = layer.heads(x, rotation)
            attended = F.scaled_dot_product_attention(
                _blocks(query, block),
                _blocks_and_before(key, block),
                _blocks_and_before(value, block),
                seen,
                enable_gqa=layer.shares_keys,
            )
            attended = rearrange(attended, "blocks heads time width -> 1 heads (blocks time) width")
            x = layer.merge(x, attended[:, :, : x.shape[1]])
        return x[0]

    def _seen(self, positions: int, block: int, device: torch.device) -> Tensor:
        """[blocks, 1, block, 2 blocks]: which of its own block and the one before a position sees.

        Those behind the last position see something too: no softmax may be empty.
        """
        blocks = -(-positions // block)
        start = torch.arange(blocks, device=device)[:, None, None] * block
        now = start + torch.arange(block, device=device)[:, None]
        then = start + torch.arange(-block, block, device=device)
        age = now - then
        return ((then >= 0) & (age >= 0) & (age < self._window))[:, None]


def _blocks(x: Tensor, block: int) -> Tensor:
    """[1, heads, positions, width] → [blocks, heads, block, width], the last filled with zeros."""
    x = F.pad(x, (0, 0, 0, -x.shape[2] % block))
    return rearrange(x, "1 heads (blocks time) width -> blocks heads time width", time=block)


def _blocks_and_before(x: Tensor, block: int) -> Tensor:
    """The same, each with the block before it: [blocks, heads, 2 blocks, width]."""
    blocks = _blocks(x, block)
    before = torch.cat((torch.zeros_like(blocks[:1]), blocks[:-1]))
    return torch.cat((before, blocks), dim=2)
