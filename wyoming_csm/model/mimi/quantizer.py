"""Codes to latents: one table of vectors for each codebook, summed and projected."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wyoming_csm.model.mimi.config import MimiConfig
from wyoming_csm.model.mimi.convs import Targets, empty_weight

_LEAST_USAGE = 1e-5  # as in training: a codebook's entry that was never used has no mean


class CodebookSum(nn.Module):
    """Residual codebooks of one kind: the vectors of their codes are summed, then projected."""

    def __init__(self, codebooks: int, size: int, width: int, outputs: int) -> None:
        super().__init__()
        self.table = empty_weight(codebooks, size, width)
        self.usage = empty_weight(codebooks, size)
        self.projection = empty_weight(outputs, width, 1)

    def targets(self, name: str) -> Targets:
        found: Targets = {f"{name}.output_proj.weight": self.projection}
        for n, (vectors, usage) in enumerate(zip(self.table, self.usage, strict=True)):
            found[f"{name}.layers.{n}.codebook.embed_sum"] = vectors
            found[f"{name}.layers.{n}.codebook.cluster_usage"] = usage
        return found

    def finish(self) -> None:
        """Checkpoints keep the sum of what fell on each entry, and how much: make it the mean."""
        self.table.div_(self.usage.clamp(min=_LEAST_USAGE)[..., None])

    def forward(self, codes: Tensor) -> Tensor:
        """[slots, codebooks] → [slots, outputs]; fewer codebooks than there are: the first ones."""
        _, size, width = self.table.shape
        offsets = torch.arange(codes.shape[1], device=codes.device) * size
        vectors = F.embedding(codes + offsets, self.table.view(-1, width))
        return F.linear(vectors.sum(dim=1), self.projection[..., 0])


class Quantizer(nn.Module):
    """The first codebook carries meaning, the others sound: two sums, added."""

    def __init__(self, config: MimiConfig) -> None:
        super().__init__()
        self._split = config.num_semantic_quantizers
        size, width = config.codebook_size, config.vector_quantization_hidden_dimension
        acoustic = config.num_quantizers - self._split
        self.semantic = CodebookSum(self._split, size, width, config.hidden_size)
        self.acoustic = CodebookSum(acoustic, size, width, config.hidden_size)

    def targets(self, name: str) -> Targets:
        return {
            **self.semantic.targets(f"{name}.semantic_residual_vector_quantizer"),
            **self.acoustic.targets(f"{name}.acoustic_residual_vector_quantizer"),
        }

    def finish(self) -> None:
        """To be called once, after the targets were filled."""
        self.semantic.finish()
        self.acoustic.finish()

    def forward(self, codes: Tensor) -> Tensor:
        """[slots, codebooks], each below the codebooks' size → [slots, hidden]."""
        meaning: Tensor = self.semantic(codes[:, : self._split])
        if codes.shape[1] <= self._split:
            return meaning
        sound: Tensor = self.acoustic(codes[:, self._split :])
        return meaning + sound
