"""Where the tensors of the transformers layout go in our network: fused, cut, turned, folded."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from wyoming_csm.model.config import CsmSizes, LlamaSizes

FOLDED = "depth.table"  # audio embeddings of all codebooks but the last, each row projected
PROJECTION = "depth_decoder.model.inputs_embeds_projector.weight"
DEPTH_TABLE = "depth_decoder.model.embed_tokens.weight"
BACKBONE_TABLE = "backbone_model.embed_tokens.embed_audio_tokens.weight"


@dataclass(frozen=True)
class Place:
    """Rows of a parameter of ours: the first `rows` of a source stand there from `offset` on."""

    name: str
    rows: int
    offset: int = 0


@dataclass(frozen=True)
class Source:
    """A tensor in the files; its rows may go to several places, or each be a place of its own."""

    shape: tuple[int, ...]
    places: tuple[Place, ...]
    turned: bool = False  # [n, in, out]: matrix i, transposed, is what goes to place i

    def pieces(self, start: int, chunk: Tensor) -> Iterator[tuple[str, int, Tensor]]:
        """The source's rows from `start` on as (name, first row there, rows)."""
        if self.turned:
            for place, matrix in zip(self.places[start:], chunk, strict=False):
                yield place.name, 0, matrix.T[: place.rows]
            return
        for place in self.places:
            rows = chunk[: max(0, place.rows - start)]
            if len(rows):
                yield place.name, place.offset + start, rows


def sources(sizes: CsmSizes) -> dict[str, Source]:
    """Every tensor of a checkpoint by its name there; a tied table under both its names."""
    width, entries = sizes.backbone.width, sizes.audio_vocabulary
    rows = sizes.codebooks * entries
    audio = Place("audio_embedding.weight", rows)
    folded = Place(FOLDED, rows - entries)  # nothing is spelled after the last codebook
    depth, heads = sizes.depth.width, range(sizes.codebooks - 1)
    return {
        "embed_text_tokens.weight": _whole("text_embedding.weight", sizes.text_vocabulary, width),
        BACKBONE_TABLE: Source((rows, width), (audio, folded) if sizes.tied else (audio,)),
        DEPTH_TABLE: Source((rows, width), (audio, folded) if sizes.tied else (folded,)),
        PROJECTION: _whole("depth.projection.weight", depth, width),
        "lm_head.weight": Source(
            (entries, width), (Place("head.weight", sizes.codebook_size),)
        ),  # codes beyond are never made
        "depth_decoder.codebooks_head.weight": Source(
            (len(heads), depth, entries),
            tuple(Place(f"depth.heads.{i}.weight", sizes.codebook_size) for i in heads),
            turned=True,
        ),
        **_blocks("backbone_model.", "backbone.", sizes.backbone),
        **_blocks("depth_decoder.model.", "depth.transformer.", sizes.depth),
    }


def _blocks(theirs: str, ours: str, sizes: LlamaSizes) -> dict[str, Source]:
    width, hidden = sizes.width, sizes.feed_forward
    q, kv = sizes.heads * sizes.head_dim, sizes.kv_heads * sizes.head_dim
    found = {f"{theirs}norm.weight": _whole(f"{ours}norm.weight", width)}
    for i in range(sizes.layers):
        block = {
            "input_layernorm": _whole("input_layernorm.weight", width),
            "self_attn.q_proj": _whole("qkv.weight", q, width),
            "self_attn.k_proj": _whole("qkv.weight", kv, width, offset=q),
            "self_attn.v_proj": _whole("qkv.weight", kv, width, offset=q + kv),
            "self_attn.o_proj": _whole("out.weight", width, q),
            "post_attention_layernorm": _whole("post_attention_layernorm.weight", width),
            "mlp.gate_proj": _whole("gate_up.weight", hidden, width),
            "mlp.up_proj": _whole("gate_up.weight", hidden, width, offset=hidden),
            "mlp.down_proj": _whole("down.weight", width, hidden),
        }
        for name, source in block.items():
            (place,) = source.places
            place = Place(f"{ours}layers.{i}.{place.name}", place.rows, place.offset)
            found[f"{theirs}layers.{i}.{name}.weight"] = Source(source.shape, (place,))
    return found


def _whole(name: str, *shape: int, offset: int = 0) -> Source:
    return Source(shape, (Place(name, shape[0], offset),))
