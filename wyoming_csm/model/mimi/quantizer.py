"""Codes to latents and back: one table of vectors for each codebook, summed and projected."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wyoming_csm.model.mimi.config import MimiConfig
from wyoming_csm.model.mimi.convs import Targets, Weights, empty_weight, product

Side = Literal["input", "output"]
_LEAST_USAGE = 1e-5  # as in training: a codebook's entry that was never used has no mean


class _Codebooks(Weights):
    """Tables of residual codebooks of one kind, and the projection from or to their width."""

    def __init__(self, codebooks: int, config: MimiConfig, side: Side) -> None:
        super().__init__()
        width, hidden = config.vector_quantization_hidden_dimension, config.hidden_size
        self.table = empty_weight(codebooks, config.codebook_size, width)
        self.usage = empty_weight(codebooks, config.codebook_size)
        outs, ins = (width, hidden) if side == "input" else (hidden, width)
        self.projection = empty_weight(outs, ins, 1)
        self._side = side

    def targets(self) -> Targets:
        found: Targets = {f"{self._side}_proj.weight": self.projection}
        for n, (vectors, usage) in enumerate(zip(self.table, self.usage, strict=True)):
            found[f"layers.{n}.codebook.embed_sum"] = vectors
            found[f"layers.{n}.codebook.cluster_usage"] = usage
        return found

    def finalize(self) -> None:
        """Make each entry the mean of what fell on it: checkpoints have sums and counts."""
        self.table.div_(self.usage.clamp(min=_LEAST_USAGE)[..., None])

    def sum(self, codes: Tensor) -> Tensor:
        """Sum and project the vectors of [slots, codebooks], the first ones, to [slots, hidden]."""
        _, size, width = self.table.shape
        offsets = torch.arange(codes.shape[1], device=codes.device) * size
        vectors = F.embedding(codes + offsets, self.table.view(-1, width))
        return F.linear(vectors.sum(dim=1), self.projection[..., 0])

    def search(self, latents: Tensor, codebooks: int) -> Tensor:
        """Find the codes of [frames, hidden]: [frames, codebooks], int64, of the first codebooks.

        Each codebook names the vector nearest to what those before it left over.
        """
        left = product(latents, self.projection[..., 0])
        codes = []
        for table in self.table[:codebooks]:
            # |x - c|² without |x|², which all c have in common, halved: what is greatest is nearest
            nearness = product(left, table, -0.5 * table.square().sum(dim=1))
            codes.append(nearness.argmax(dim=1))
            left = left - table[codes[-1]]
        return torch.stack(codes, dim=1)


class Quantizer(nn.Module):
    """Tables of all codebooks: the first carry meaning, the others sound."""

    def __init__(self, config: MimiConfig, side: Side = "output") -> None:
        """Make one with the projection for `forward` ("output") or for `search` ("input")."""
        super().__init__()
        self._split = config.num_semantic_quantizers
        self.semantic_residual_vector_quantizer = _Codebooks(self._split, config, side)
        self.acoustic_residual_vector_quantizer = _Codebooks(
            config.num_quantizers - self._split, config, side
        )

    def finalize(self) -> None:
        """Make the tables, once the targets are filled."""
        self.semantic_residual_vector_quantizer.finalize()
        self.acoustic_residual_vector_quantizer.finalize()

    def forward(self, codes: Tensor) -> Tensor:
        """Turn [slots, codebooks], each below the codebooks' size, into [slots, hidden]."""
        meaning = self.semantic_residual_vector_quantizer.sum(codes[:, : self._split])
        if codes.shape[1] <= self._split:
            return meaning
        return meaning + self.acoustic_residual_vector_quantizer.sum(codes[:, self._split :])

    def search(self, latents: Tensor, codebooks: int) -> Tensor:
        """Turn [frames, hidden] into [frames, codebooks], int64.

        Both kinds of codebooks search the same latents, so neither depends on the other.
        """
        meaning = self.semantic_residual_vector_quantizer.search(
            latents, min(codebooks, self._split)
        )
        if codebooks <= self._split:
            return meaning
        acoustic = self.acoustic_residual_vector_quantizer
        return torch.cat((meaning, acoustic.search(latents, codebooks - self._split)), dim=1)
