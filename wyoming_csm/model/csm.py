"""CSM: a backbone that hears text and frames, and a depth decoder that spells a frame out."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wyoming_csm.model.kv_cache import KvCache
from wyoming_csm.model.sizes import CsmSizes
from wyoming_csm.model.transformer import Transformer

ABSENT = -1  # in rows [positions, codebooks + 1]: this column says nothing at this position


class CsmModel(nn.Module):
    """The network without its codec; every state it needs is passed in."""

    def __init__(self, sizes: CsmSizes) -> None:
        super().__init__()
        self.sizes = sizes
        entries = sizes.codebooks * sizes.audio_vocabulary
        self.text_embedding = nn.Embedding(sizes.text_vocabulary, sizes.backbone.width)
        self.audio_embedding = nn.Embedding(entries, sizes.backbone.width)
        self.backbone = Transformer(sizes.backbone)
        self.head = nn.Linear(sizes.backbone.width, sizes.audio_vocabulary, bias=False)
        self.depth = DepthDecoder(sizes)
        if sizes.tied:
            self.depth.audio_embedding = self.audio_embedding
        offsets = torch.arange(sizes.codebooks, device="cpu") * sizes.audio_vocabulary
        self.register_buffer("offsets", offsets, persistent=False)

    offsets: Tensor  # [codebooks]: where a codebook's entries begin in the table

    @property
    def dtype(self) -> torch.dtype:
        """Of weights, activations and caches; logits are float32."""
        return self.head.weight.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.head.weight.device

    def embed_frames(self, codes: Tensor) -> Tensor:
        """codes [..., codebooks] to [..., width]: the sum over the codebooks."""
        embedded: Tensor = self.audio_embedding(codes + self.offsets)
        return embedded.sum(dim=-2)

    def embed_rows(self, rows: Tensor) -> Tensor:
        """rows [positions, codebooks + 1], each a frame or a text token, to [positions, width]."""
        frames, text = rows[:, :-1], rows[:, -1]
        is_text = (text != ABSENT)[:, None]
        return torch.where(
            is_text, self.text_embedding(text.clamp(min=0)), self.embed_frames(frames.clamp(min=0))
        )

    def first_logits(self, hidden: Tensor) -> Tensor:
        """hidden [slots, width] of the backbone to codebook 0: float32 [slots, codebook_size].

        The vocabulary's last entries, which the codec does not have, are cut off here.
        """
        logits: Tensor = self.head(hidden)
        return logits[:, : self.sizes.codebook_size].float()


class DepthDecoder(nn.Module):
    """Codebooks 1, 2, … of one frame, each from those before it and the backbone's hidden state."""

    def __init__(self, sizes: CsmSizes) -> None:
        super().__init__()
        self.sizes = sizes
        entries = sizes.codebooks * sizes.audio_vocabulary
        self.audio_embedding = nn.Embedding(entries, sizes.backbone.width)
        self.projection = nn.Linear(sizes.backbone.width, sizes.depth.width, bias=False)
        self.transformer = Transformer(sizes.depth)
        shape = (sizes.codebooks - 1, sizes.depth.width, sizes.audio_vocabulary)
        self.heads = nn.Parameter(torch.empty(shape))

    def start(self, hidden: Tensor, codes: Tensor, cache: KvCache) -> Tensor:
        """The backbone's hidden [slots, width] and codebook 0 [slots] to codebook 1's logits."""
        both = torch.stack((hidden, self._embed(codes, 0)), dim=1)  # [slots, 2, width]
        return self._logits(self.transformer.prefill(self.projection(both), 0, cache), 1)

    def step(self, codes: Tensor, codebook: int, cache: KvCache) -> Tensor:
        """The codes [slots] of `codebook` ≥ 1 to the next one's logits.

        float32 [slots, codebook_size]. Every slot is at the same position: the cache needs no
        memory of its own beyond this frame.
        """
        x = self.projection(self._embed(codes, codebook))[:, None]
        return self._logits(self.transformer.prefill(x, codebook + 1, cache), codebook + 1)

    def _embed(self, codes: Tensor, codebook: int) -> Tensor:
        embedded: Tensor = self.audio_embedding(codes + codebook * self.sizes.audio_vocabulary)
        return embedded

    def _logits(self, hidden: Tensor, codebook: int) -> Tensor:
        logits = F.linear(hidden[:, -1], self.heads[codebook - 1].T)
        return logits[:, : self.sizes.codebook_size].float()
