"""The checkpoints that are measured: random weights, made at run time, in the real shape."""

from pathlib import Path

import torch
from torch import Tensor

from benchmarks.fixtures.random_csm import make_full_size_csm, make_tiny_csm
from wyoming_csm.model.config import CsmSizes, Llama3Scaling, LlamaSizes
from wyoming_csm.model.csm import ABSENT

_SCALING = Llama3Scaling(32.0, 0.125, 0.5, 1024)
FULL_SIZE = CsmSizes(
    backbone=LlamaSizes(16, 2048, 8192, 32, 8, 64, 1e-5, 2048, 5e5, _SCALING),
    depth=LlamaSizes(4, 1024, 8192, 8, 2, 128, 1e-5, 33, 5e5, _SCALING),
    codebooks=32,
    audio_vocabulary=2051,
    codebook_size=2048,
    text_vocabulary=128_256,
    tied=True,
)
KINDS = ("tiny", "host-bound", "full")
_DEPTH = {
    "num_codebooks": 32,
    "backbone_hidden_size": 32,
    "vocab_size": 2051,
    "hidden_size": 24,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 3,
    "num_key_value_heads": 1,
    "initializer_range": 0.2,
}


def make(kind: str, folder: Path) -> Path:
    """A checkpoint of one of the KINDS; full: 3.3 GB in bfloat16.

    host-bound: the real counts of layers, codebooks and codes with tiny widths, so that what is
    measured is everything but the arithmetic.
    """
    if kind == "full":
        return make_full_size_csm(folder, torch.bfloat16)
    if kind == "tiny":
        return make_tiny_csm(folder, audio_vocabulary=2051, codebook_size=2048, positions=2048)
    return make_tiny_csm(
        folder,
        audio_vocabulary=2051,
        codebook_size=2048,
        positions=2048,
        num_hidden_layers=16,
        depth_decoder_config=_DEPTH,
    )


def prompt(sizes: CsmSizes, positions: int, seed: int = 0) -> Tensor:
    """Make a prompt [positions, codebooks + 1] of random text: what a sentence or a voice costs."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.full((positions, sizes.codebooks + 1), ABSENT)
    tokens[:, -1] = torch.randint(sizes.text_vocabulary, (positions,), generator=generator)
    return tokens
