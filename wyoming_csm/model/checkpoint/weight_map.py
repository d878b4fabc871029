"""Where the tensors of the transformers layout go in our network: fused, cut, transposed, folded.

What a weight's first dimension counts, a layer's outputs or a table's entries, is `outs` here.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from wyoming_csm.model.config import CsmSizes, LlamaSizes

# Audio embeddings of all codebooks but the last, each projected to the depth decoder's width.
FOLDED = "depth.table"
PROJECTION = "depth_decoder.model.inputs_embeds_projector.weight"
DEPTH_TABLE = "depth_decoder.model.embed_tokens.weight"
BACKBONE_TABLE = "backbone_model.embed_tokens.embed_audio_tokens.weight"


@dataclass(frozen=True)
class Target:
    """Part of a parameter of ours: a source's first `outs` stand there from `offset` on."""

    name: str
    outs: int
    offset: int = 0


@dataclass(frozen=True)
class Source:
    """A tensor in the files, and the targets it fills: each with all of it, or with a matrix."""

    shape: tuple[int, ...]
    targets: tuple[Target, ...]
    transposed: bool = False  # [n, in, out]: matrix i, transposed, is what goes to target i

    def parts(self, start: int, chunk: Tensor) -> Iterator[tuple[str, int, Tensor]]:
        """Yield (name, offset there, values) for a chunk of the source that begins at `start`."""
        if self.transposed:
            for target, matrix in zip(self.targets[start:], chunk, strict=False):
                yield target.name, 0, matrix.T[: target.outs]
            return
        for target in self.targets:
            part = chunk[: max(0, target.outs - start)]
            if len(part):
                yield target.name, target.offset + start, part


def sources(sizes: CsmSizes) -> dict[str, Source]:
    """Map every tensor of a checkpoint by its name there; a tied table under both its names."""
    width, entries = sizes.backbone.width, sizes.audio_vocabulary
    whole = sizes.codebooks * entries
    audio = Target("audio_embedding.weight", whole)
    folded = Target(FOLDED, whole - entries)  # no code follows the last codebook's
    codes = sizes.codebook_size  # those beyond are never made
    depth, heads = sizes.depth.width, range(sizes.codebooks - 1)
    return {
        "embed_text_tokens.weight": _whole("text_embedding.weight", sizes.text_vocabulary, width),
        BACKBONE_TABLE: Source((whole, width), (audio, folded) if sizes.tied else (audio,)),
        DEPTH_TABLE: Source((whole, width), (audio, folded) if sizes.tied else (folded,)),
        PROJECTION: _whole("depth.projection.weight", depth, width),
        "lm_head.weight": Source((entries, width), (Target("head.weight", codes),)),
        "depth_decoder.codebooks_head.weight": Source(
            (len(heads), depth, entries),
            tuple(Target(f"depth.heads.{i}.weight", codes) for i in heads),
            transposed=True,
        ),
        **_blocks("backbone_model.", "backbone.", sizes.backbone),
        **_blocks("depth_decoder.model.", "depth.transformer.", sizes.depth),
    }


def _blocks(theirs: str, ours: str, sizes: LlamaSizes) -> dict[str, Source]:
    width, hidden = sizes.width, sizes.feed_forward
    q, kv = sizes.heads * sizes.head_dim, sizes.kv_heads * sizes.head_dim
    found = {f"{theirs}norm.weight": _whole(f"{ours}norm.weight", width)}
    for i in range(sizes.layers):
        block = f"{ours}layers.{i}."
        qkv, gate_up = f"{block}qkv.weight", f"{block}gate_up.weight"
        after = "post_attention_layernorm"
        for name, source in {
            "input_layernorm": _whole(f"{block}input_layernorm.weight", width),
            "self_attn.q_proj": _whole(qkv, q, width),
            "self_attn.k_proj": _whole(qkv, kv, width, offset=q),
            "self_attn.v_proj": _whole(qkv, kv, width, offset=q + kv),
            "self_attn.o_proj": _whole(f"{block}out.weight", width, q),
            after: _whole(f"{block}{after}.weight", width),
            "mlp.gate_proj": _whole(gate_up, hidden, width),
            "mlp.up_proj": _whole(gate_up, hidden, width, offset=hidden),
            "mlp.down_proj": _whole(f"{block}down.weight", width, hidden),
        }.items():
            found[f"{theirs}layers.{i}.{name}.weight"] = source
    return found


def _whole(name: str, *shape: int, offset: int = 0) -> Source:
    return Source(shape, (Target(name, shape[0], offset),))
