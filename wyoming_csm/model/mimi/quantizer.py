"""Codes to latents and back: one table of vectors for each codebook, summed and projected."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wyoming_csm.model.mimi.config import MimiConfig
from wyoming_csm.model.mimi.convs import Targets, empty_weight
from wyoming_csm.model.mimi.rows import product

_LEAST_USAGE = 1e-5  # as in training: a codebook's entry that was never used has no mean


class Codebooks(nn.Module):
    """The tables of residual codebooks of one kind."""

    def __init__(self, codebooks: int, size: int, width: int) -> None:
        super().__init__()
        self.table = empty_weight(codebooks, size, width)
        self.usage = empty_weight(codebooks, size)

    def targets(self, name: str) -> Targets:
        found: Targets = {}
        for n, (vectors, usage) in enumerate(zip(self.table, self.usage, strict=True)):
            found[f"{name}.layers.{n}.codebook.embed_sum"] = vectors
            found[f"{name}.layers.{n}.codebook.cluster_usage"] = usage
        return found

    def finalize(self) -> None:
        """Checkpoints keep the sum of what fell on each entry, and how much: make it the mean."""
        self.table.div_(self.usage.clamp(min=_LEAST_USAGE)[..., None])


class CodebookSum(Codebooks):
    """The vectors of the codes are summed, then projected."""

    def __init__(self, codebooks: int, size: int, width: int, outputs: int) -> None:
        super().__init__(codebooks, size, width)
        self.projection = empty_weight(outputs, width, 1)

    def targets(self, name: str) -> Targets:
        return {f"{name}.output_proj.weight": self.projection, **super().targets(name)}

    def forward(self, codes: Tensor) -> Tensor:
        """[slots, codebooks] → [slots, outputs]; fewer codebooks than there are: the first ones."""
        _, size, width = self.table.shape
        offsets = torch.arange(codes.shape[1], device=codes.device) * size
        vectors = F.embedding(codes + offsets, self.table.view(-1, width))
        return F.linear(vectors.sum(dim=1), self.projection[..., 0])


class CodebookSearch(Codebooks):
    """Projected, then each codebook names the vector nearest to what those before it left over."""

    def __init__(self, codebooks: int, size: int, width: int, inputs: int) -> None:
        super().__init__(codebooks, size, width)
        self.projection = empty_weight(width, inputs, 1)

    def targets(self, name: str) -> Targets:
        return {f"{name}.input_proj.weight": self.projection, **super().targets(name)}

    def forward(self, latents: Tensor, codebooks: int) -> Tensor:
        """[frames, inputs] → [frames, codebooks], int64, of the first `codebooks`."""
        left = product(latents, self.projection[..., 0])
        codes = []
        for table in self.table[:codebooks]:
            # |x - c|² without |x|², which all c have in common, halved: what is greatest is nearest
            nearness = product(left, table, -0.5 * table.square().sum(dim=1))
            codes.append(nearness.argmax(dim=1))
            left = left - table[codes[-1]]
        return torch.stack(codes, dim=1)


class _Pair(nn.Module):
    """The first codebooks carry meaning, the others sound."""

    def __init__(self, kind: type[CodebookSum] | type[CodebookSearch], config: MimiConfig) -> None:
        super().__init__()
        self._split = config.num_semantic_quantizers
        size, width = config.codebook_size, config.vector_quantization_hidden_dimension
        acoustic = config.num_quantizers - self._split
        self.semantic = kind(self._split, size, width, config.hidden_size)
        self.acoustic = kind(acoustic, size, width, config.hidden_size)

    def targets(self, name: str) -> Targets:
        return {
            **self.semantic.targets(f"{name}.semantic_residual_vector_quantizer"),
            **self.acoustic.targets(f"{name}.acoustic_residual_vector_quantizer"),
        }

    def finalize(self) -> None:
        """To be called once, after the targets were filled."""
        self.semantic.finalize()
        self.acoustic.finalize()


class Quantizer(_Pair):
    """From latents to codes is the other way: this one only knows the sum of what was named."""

    def __init__(self, config: MimiConfig) -> None:
        super().__init__(CodebookSum, config)

    def forward(self, codes: Tensor) -> Tensor:
        """[slots, codebooks], each below the codebooks' size → [slots, hidden]."""
        meaning: Tensor = self.semantic(codes[:, : self._split])
        if codes.shape[1] <= self._split:
            return meaning
        sound: Tensor = self.acoustic(codes[:, self._split :])
        return meaning + sound


class QuantizerSearch(_Pair):
    """Both kinds hear the same latents, so neither's codes depend on the other's."""

    def __init__(self, config: MimiConfig) -> None:
        super().__init__(CodebookSearch, config)

    def forward(self, latents: Tensor, codebooks: int) -> Tensor:
        """[frames, hidden] → [frames, codebooks], int64."""
        meaning: Tensor = self.semantic(latents, min(codebooks, self._split))
        if codebooks <= self._split:
            return meaning
        return torch.cat((meaning, self.acoustic(latents, codebooks - self._split)), dim=1)
