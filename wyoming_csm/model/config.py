"""What a checkpoint's `config.json` says of the network: every size is read, none is assumed."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct, field

from wyoming_csm.errors import CheckpointError

_T = TypeVar("_T")
_Count = Annotated[int, Meta(ge=1, lt=1 << 24)]
_Positions = Annotated[int, Meta(ge=1, le=1 << 17)]  # a table has a row for each, that is so wide:
_HeadDim = Annotated[int, Meta(ge=1, le=512)]
_Layers = Annotated[int, Meta(ge=1, le=1024)]  # each is made before a file is looked at
_Positive = Annotated[float, Meta(gt=0, le=1e30)]

# What the network is written for; where a key is absent, transformers takes the same.
_ONLY_LLAMA = {
    "attention_bias": False,
    "mlp_bias": False,
    "hidden_act": "silu",
    "partial_rotary_factor": 1,
}
_ONLY = {"codebook_eos_token_id": 0}  # a frame of zeros is the end of speech


class Llama3Scaling(Struct, frozen=True):
    """The slow frequencies of RoPE are divided by `factor`, those between are blended."""

    factor: _Positive
    low_freq_factor: _Positive
    high_freq_factor: _Positive
    original_positions: _Count = field(name="original_max_position_embeddings")

    def __post_init__(self) -> None:
        if self.low_freq_factor >= self.high_freq_factor:
            raise ValueError("low_freq_factor must be below high_freq_factor")


class LlamaSizes(Struct, frozen=True):
    """One stack of Llama blocks."""

    layers: _Layers = field(name="num_hidden_layers")
    width: _Count = field(name="hidden_size")
    feed_forward: _Count = field(name="intermediate_size")
    heads: _Count = field(name="num_attention_heads")
    kv_heads: _Count = field(name="num_key_value_heads")
    head_dim: _HeadDim
    norm_eps: _Positive = field(name="rms_norm_eps")
    positions: _Positions = field(name="max_position_embeddings")
    rope_theta: _Positive
    rope_scaling: Llama3Scaling | None = None

    def __post_init__(self) -> None:
        if self.heads % self.kv_heads:
            raise ValueError("num_attention_heads must divide by num_key_value_heads")
        if self.head_dim % 2:
            raise ValueError("head_dim must be even")


class CsmSizes(Struct, frozen=True, kw_only=True):
    """The whole of CSM, without its codec."""

    backbone: LlamaSizes
    depth: LlamaSizes = field(name="depth_decoder_config")
    codebooks: _Count = field(name="num_codebooks")
    # entries a codebook has in the tables and heads: 2051
    audio_vocabulary: _Count = field(name="vocab_size")
    # entries the codec knows, 2048: codes beyond must never be made
    codebook_size: _Count = field(name="codec_config.codebook_size")
    text_vocabulary: _Count = field(name="text_vocab_size")
    # one table of audio embeddings for backbone and depth decoder
    tied: bool = field(name="tie_codebooks_embeddings", default=True)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "CsmSizes":
        """Read the parsed `config.json`. Raises CheckpointError naming the key that is wrong."""
        if config.get("model_type") != "csm":
            raise CheckpointError(
                f"config.json: model_type is {config.get('model_type')!r}, not 'csm':"
                " use a CSM checkpoint in the transformers layout"
            )
        depth, codec = (_table(config, key) for key in ("depth_decoder_config", "codec_config"))
        parts = {
            "backbone": _read_llama(config),
            "depth_decoder_config": _read_llama(depth, "depth_decoder_config"),
            "codec_config.codebook_size": codec.get("codebook_size"),
        }
        sizes = read_section({**config, **parts}, "", cls, _ONLY)
        for key, size in (
            ("num_codebooks", sizes.codebooks),
            ("vocab_size", sizes.audio_vocabulary),
            ("backbone_hidden_size", sizes.backbone.width),
        ):
            if depth.get(key) != size:
                raise CheckpointError(f"config.json: depth_decoder_config.{key} must be {size}")
        return sizes

    def __post_init__(self) -> None:
        if self.codebooks < 2:
            raise ValueError("num_codebooks must be at least 2")
        if self.depth.positions < self.codebooks:
            raise ValueError(
                "depth_decoder_config.max_position_embeddings must not be below num_codebooks"
            )
        if self.codebook_size > self.audio_vocabulary:
            raise ValueError("codec_config.codebook_size must not exceed vocab_size")


def read_section(
    found: Mapping[str, Any], where: str, kind: type[_T], only: Mapping[str, object]
) -> _T:
    """Convert a table of a checkpoint's `config.json` to `kind`.

    `where` is the table's path in the file, "" for the whole. `only`: what a key must say if it is
    there. Raises CheckpointError naming the key that is wrong.
    """
    section = f"config.json: {where}" if where else "config.json"
    for key, value in only.items():
        if found.get(key, value) != value:
            raise CheckpointError(f"{section}: {key} is {found[key]!r}: only {value!r} can be used")
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        raise CheckpointError(f"{section}: {str(error).replace('`$.', '`')}") from error


def _read_llama(config: Mapping[str, Any], where: str = "") -> LlamaSizes:
    """Read a stack's sizes; a key that is null is absent.

    RoPE's are all in `rope_parameters`; older files have `rope_theta` beside `rope_scaling`.
    """
    found = _given(config)
    key = "rope_scaling" if found.get("rope_scaling") else "rope_parameters"
    rope, inside = _given(_table({key: {}, **found}, key)), f"{where}.{key}".lstrip(".")
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind not in ("default", "llama3"):
        raise CheckpointError(
            f"config.json: {inside}: rope_type is {kind!r}: only default and llama3 can be used"
        )
    heads, width = found.get("num_attention_heads"), found.get("hidden_size")
    found = {"num_key_value_heads": heads, **found}
    if isinstance(heads, int) and isinstance(width, int) and heads > 0 and width % heads == 0:
        found = {"head_dim": width // heads, **found}
    found |= {key: rope[key] for key in ("rope_theta", "partial_rotary_factor") if key in rope}
    scaling = read_section(rope, inside, Llama3Scaling, {}) if kind == "llama3" else None
    return read_section({**found, "rope_scaling": scaling}, where, LlamaSizes, _ONLY_LLAMA)


def _given(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if value is not None}


def _table(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = config.get(key)
    if not isinstance(found, Mapping):
        raise CheckpointError(f"config.json: {key} must be a table")
    return found
