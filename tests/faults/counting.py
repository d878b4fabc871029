"""A CSM that ends by itself, of which random weights know nothing: it counts its frames."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmarks.fixtures.random_csm import make_tiny_csm
from wyoming_csm.model.checkpoint.weight_map import BACKBONE_TABLE, DEPTH_TABLE, PROJECTION

CODEBOOKS, ENTRIES = 8, 131
_TEXT = 23  # the number that a text stands for: the last that the depth decoder's width has
_CERTAIN = 1_000.0  # of a logit: whatever the noise, this code is drawn


def make_counting_csm(folder: Path, frames: int) -> Path:
    """Make a checkpoint that answers any text with so many frames, at most 22, then with frames of
    zeros for ever. Each vector in it is a number's, 0 the end's; no layer changes any."""
    make_tiny_csm(folder, codebooks=CODEBOOKS, audio_vocabulary=ENTRIES)
    path = folder / "model.safetensors"
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    for name, tensor in tensors.items():
        if name.endswith(("self_attn.o_proj.weight", "mlp.down_proj.weight")):
            if not name.startswith("codec_model."):
                tensor.zero_()
        elif name == "embed_text_tokens.weight":
            tensor.zero_()[:, _TEXT] = 1
        elif name in (BACKBONE_TABLE, DEPTH_TABLE):
            _number_codes(tensor)
        elif name == PROJECTION:
            torch.nn.init.eye_(tensor)
        elif name == "lm_head.weight":
            _count(tensor, frames)
        elif name == "depth_decoder.codebooks_head.weight":
            tensor.zero_()
            for codebook in range(1, CODEBOOKS):
                for number in range(_TEXT):
                    tensor[codebook - 1, number, _code(codebook, number)] = _CERTAIN
    save_file(tensors, path, metadata={"format": "pt"})
    return folder


def _code(codebook: int, number: int) -> int:
    """Return the code that says a number: another one for each, and zeros for the end."""
    return number and (number if codebook == 0 else 1 + (37 * number + 11 * codebook) % 127)


def _number_codes(table: Tensor) -> None:
    table.zero_()
    for codebook in range(CODEBOOKS):
        for number in range(_TEXT):
            table[codebook * ENTRIES + _code(codebook, number), number] = 1


def _count(head: Tensor, frames: int) -> None:
    head.zero_()
    for before, number in (
        (_TEXT, 1),
        *((n, n + 1) for n in range(1, frames)),
        (frames, 0),
        (0, 0),
    ):
        head[number, before] = _CERTAIN
