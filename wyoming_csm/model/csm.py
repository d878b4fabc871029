"""CSM: a backbone that reads text and frames, and a depth decoder that makes a frame's codes."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wyoming_csm.model.attention import UniformPosition, uniform_attention
from wyoming_csm.model.config import CsmSizes
from wyoming_csm.model.cuda import upload
from wyoming_csm.model.kv_cache import KvCache
from wyoming_csm.model.transformer import Transformer

ABSENT = -1  # in a prompt [positions, codebooks + 1]: this column says nothing at this position


def is_end(codes: Tensor) -> Tensor:
    """Tell of codes [..., codebooks] which are the frame of zeros, never sound: bool [...].

    A trained model misses it now and then by a few codebooks: 28 zeros of 32 are the end, too.
    On the codes' device, and the host waits for nothing.
    """
    codebooks = codes.shape[-1]
    return (codes == 0).sum(dim=-1) >= codebooks - codebooks // 8


class CsmModel(nn.Module):
    """The network without its codec; every state it needs is passed in.

    Logits are [rows, codebook_size]: the vocabulary's last entries, which the codec does not have,
    are no part of the heads.
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
        """The type of activations and caches."""
        return self.audio_embedding.weight.dtype

    @property
    def device(self) -> torch.device:
        """The device that computes; the text embedding table may be elsewhere."""
        return self.audio_embedding.weight.device

    def embed_frames(self, codes: Tensor) -> Tensor:
        """Return [..., width] of codes [..., codebooks]: the sum over the codebooks."""
        embedded: Tensor = self.audio_embedding(codes + self.offsets)
        return embedded.sum(dim=-2)

    def embed_prompt(self, prompt: Tensor) -> Tensor:
        """Return [positions, width] of a prompt [positions, codebooks + 1], on the model's device.

        Text is looked up where its table is. The host does not wait for the device.
        """
        frames, text = upload(prompt[:, :-1], self.device), prompt[:, -1]
        words = self.text_embedding(upload(text, self.text_embedding.weight.device).clamp(min=0))
        is_text = upload(text != ABSENT, self.device)[:, None]
        return torch.where(
            is_text, upload(words, self.device), self.embed_frames(frames.clamp(min=0))
        )

    def first_logits(self, hidden: Tensor) -> Tensor:
        """Return codebook 0's logits, in float32, of the backbone's hidden [rows, width]."""
        logits: Tensor = self.head(hidden)
        return logits.float()


class DepthStep(NamedTuple):
    """What tells one of the depth decoder's later steps from another: the code is the same."""

    at: UniformPosition  # in the cache, of the code that is read
    embeddings: Tensor  # [audio_vocabulary, width] of that code's codebook
    head: nn.Module  # for the next codebook
    cos: Tensor  # [1, 1, head_dim]
    sin: Tensor


class DepthDecoder(nn.Module):
    """Codebooks 1, 2, … of one frame, each from those before it and the backbone's hidden state.

    The cache's position 0 is the hidden state, position c + 1 the code of codebook c. Every row is
    at the same position, and the cache holds nothing beyond one frame.
    """

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
        """Return the mask of `start`, which is always the same."""
        mask = self.transformer.mask(0, 2)
        assert mask is not None
        return mask

    def start(self, hidden: Tensor, codes: Tensor, cache: KvCache, mask: Tensor) -> Tensor:
        """Return codebook 1's logits, of the backbone's hidden [rows, width] and codebook 0 [rows].

        `mask` is that of `start_mask`.
        """
        embedded = F.embedding(codes, self.embeddings(0))
        both = torch.stack((self.projection(hidden), embedded), dim=1)
        hidden = self.transformer.prefill(both, 0, cache, mask)[:, -1]  # [rows, width of its own]
        logits: Tensor = self.heads[0](hidden)
        return logits

    def steps(self) -> tuple[DepthStep, ...]:
        """Return what `step` needs for each codebook from 1 to the last but one."""
        cos, sin = self.transformer.cos, self.transformer.sin
        n, device = self.sizes.codebooks, cos.device
        past = torch.ones(n, n, dtype=torch.bool, device=device).tril_()
        return tuple(
            DepthStep(
                # A tensor of its own: compiled code copies what does not begin at 16 bytes.
                UniformPosition(torch.full((1,), p, device=device), past[p], p + 1),
                self.embeddings(p - 1),
                self.heads[p - 1],
                cos[p : p + 1, None],
                sin[p : p + 1, None],
            )
            for p in range(2, n)
        )

    def step(self, codes: Tensor, step: DepthStep, cache: KvCache) -> Tensor:
        """Return the next codebook's logits of the codes [rows] that `step` reads."""
        x = F.embedding(codes, step.embeddings)[:, None]
        attend = uniform_attention(step.at)
        hidden = self.transformer.run(x, step.cos, step.sin, attend, cache)[:, 0]
        logits: Tensor = step.head(hidden)
        return logits

    def embeddings(self, codebook: int) -> Tensor:
        """Return the table's part [audio_vocabulary, width] of one codebook."""
        size = self.sizes.audio_vocabulary
        return self.table[codebook * size : (codebook + 1) * size]
