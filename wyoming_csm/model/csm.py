"""CSM: a backbone that hears text and frames, and a depth decoder that spells a frame out."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wyoming_csm.model.config import CsmSizes
from wyoming_csm.model.cuda import upload
from wyoming_csm.model.kv_cache import KvCache
from wyoming_csm.model.transformer import Transformer

ABSENT = -1  # in rows [positions, codebooks + 1]: this column says nothing at this position


def is_end(codes: Tensor) -> Tensor:
    """codes [..., codebooks] to bool [...]: the frame of zeros, which is never sound.

    A trained model misses it now and then by a few codebooks: 28 zeros of 32 are the end, too.
    On the codes' device, and nothing waits for it.
    """
    codebooks = codes.shape[-1]
    return (codes == 0).sum(dim=-1) >= codebooks - codebooks // 8


class CsmModel(nn.Module):
    """The network without its codec; every state it needs is passed in.

    Logits are float32 [rows, codebook_size]: the vocabulary's last entries, which the codec does
    not have, are no part of the heads.
    """

    def __init__(self, sizes: CsmSizes) -> None:
        super().__init__()
        self.sizes = sizes
        entries = sizes.codebooks * sizes.audio_vocabulary
        self.text_embedding = nn.Embedding(sizes.text_vocabulary, sizes.backbone.width)
        self.audio_embedding = nn.Embedding(entries, sizes.backbone.width)
        self.backbone = Transformer(sizes.backbone)
        self.head = nn.Linear(sizes.backbone.width, sizes.codebook_size, bias=False)
        self.depth = DepthDecoder(sizes)
        offsets = torch.arange(sizes.codebooks, device="cpu") * sizes.audio_vocabulary
        self.register_buffer("offsets", offsets, persistent=False)

    offsets: Tensor  # [codebooks]: where a codebook's entries begin in the table

    @property
    def dtype(self) -> torch.dtype:
        """Of activations and caches."""
        return self.audio_embedding.weight.dtype

    @property
    def device(self) -> torch.device:
        """Where it computes; the table of text may be elsewhere."""
        return self.audio_embedding.weight.device

    def embed_frames(self, codes: Tensor) -> Tensor:
        """codes [..., codebooks] to [..., width]: the sum over the codebooks."""
        embedded: Tensor = self.audio_embedding(codes + self.offsets)
        return embedded.sum(dim=-2)

    def embed_prompt(self, rows: Tensor) -> Tensor:
        """rows [positions, codebooks + 1], each a frame or a text token, to [positions, width].

        On the model's device; text is looked up where its table is. Nothing waits for the device.
        """
        frames, text = upload(rows[:, :-1], self.device), rows[:, -1]
        words = self.text_embedding(upload(text, self.text_embedding.weight.device).clamp(min=0))
        is_text = upload(text != ABSENT, self.device)[:, None]
        heard = self.embed_frames(frames.clamp(min=0))
        return torch.where(is_text, upload(words, self.device), heard)

    def first_logits(self, hidden: Tensor) -> Tensor:
        """hidden [rows, width] of the backbone to codebook 0's logits."""
        logits: Tensor = self.head(hidden)
        return logits.float()


class DepthDecoder(nn.Module):
    """Codebooks 1, 2, … of one frame, each from those before it and the backbone's hidden state."""

    def __init__(self, sizes: CsmSizes) -> None:
        super().__init__()
        self.sizes = sizes
        entries = (sizes.codebooks - 1) * sizes.audio_vocabulary
        # The embeddings of all codebooks but the last, as the projection makes them.
        self.table = nn.Parameter(torch.empty(entries, sizes.depth.width))
        self.projection = nn.Linear(sizes.backbone.width, sizes.depth.width, bias=False)
        self.transformer = Transformer(sizes.depth)
        self.heads = nn.ModuleList(
            nn.Linear(sizes.depth.width, sizes.codebook_size, bias=False)
            for _ in range(sizes.codebooks - 1)
        )

    def start_mask(self) -> Tensor:
        """What `start` masks: it is always the same."""
        mask = self.transformer.mask(0, 2)
        assert mask is not None
        return mask

    def start(
        self, hidden: Tensor, codes: Tensor, cache: KvCache, mask: Tensor | None = None
    ) -> Tensor:
        """The backbone's hidden [rows, width] and codebook 0 [rows] to codebook 1's logits.

        `mask`: of `start_mask`, if it is there already.
        """
        both = torch.stack((self.projection(hidden), self._embed(codes, 0)), dim=1)
        hidden = self.transformer.prefill(both, 0, cache, mask)[:, -1]  # [rows, width of its own]
        return self._logits(hidden, 1)

    def step(self, codes: Tensor, codebook: int, cache: KvCache) -> Tensor:
        """The codes [rows] of `codebook` ≥ 1 to the next one's logits.

        Every row is at the same position: the cache needs no memory of its own beyond this frame.
        """
        x = self._embed(codes, codebook)[:, None]
        hidden = self.transformer.prefill(x, codebook + 1, cache)[:, 0]
        return self._logits(hidden, codebook + 1)

    def entries(self, codebook: int) -> Tensor:
        """The table's part [audio_vocabulary, width] of one codebook."""
        size = self.sizes.audio_vocabulary
        return self.table[codebook * size : (codebook + 1) * size]

    def _embed(self, codes: Tensor, codebook: int) -> Tensor:
        return F.embedding(codes, self.entries(codebook))

    def _logits(self, hidden: Tensor, codebook: int) -> Tensor:
        logits: Tensor = self.heads[codebook - 1](hidden)
        return logits.float()
