"""What a checkpoint's `config.json` says of the network: every size is read, none is assumed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from wyoming_csm.errors import CheckpointError

_T = TypeVar("_T", int, float, bool, str)


@dataclass(frozen=True)
class Llama3Scaling:
    """The slow frequencies of RoPE are divided by `factor`, those between are blended."""

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_positions: int


@dataclass(frozen=True)
class LlamaSizes:
    """One stack of Llama blocks."""

    layers: int
    width: int
    feed_forward: int
    heads: int
    kv_heads: int
    head_dim: int
    norm_eps: float
    positions: int
    rope_theta: float
    rope_scaling: Llama3Scaling | None


@dataclass(frozen=True)
class CsmSizes:
    """The whole of CSM, without its codec."""

    backbone: LlamaSizes
    depth: LlamaSizes
    codebooks: int
    audio_vocabulary: int  # entries a codebook has in the tables and heads: 2051
    codebook_size: int  # entries the codec knows, 2048: codes beyond must never be made
    text_vocabulary: int
    tied: bool  # one table of audio embeddings for backbone and depth decoder

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "CsmSizes":
        """From the parsed `config.json`. Raises CheckpointError."""
        if config.get("model_type") != "csm":
            raise CheckpointError(
                f"config.json: model_type is {config.get('model_type')!r}, not 'csm':"
                " use a CSM checkpoint in the transformers layout"
            )
        depth = _section(config, "depth_decoder_config")
        codec = _section(config, "codec_config")
        sizes = cls(
            backbone=_llama(config, ""),
            depth=_llama(depth, "depth_decoder_config."),
            codebooks=_count(config, "num_codebooks", ""),
            audio_vocabulary=_count(config, "vocab_size", ""),
            codebook_size=_count(codec, "codebook_size", "codec_config."),
            text_vocabulary=_count(config, "text_vocab_size", ""),
            tied=_get(config, "tie_codebooks_embeddings", bool, "", default=True),
        )
        _expect(sizes.codebooks >= 2, "num_codebooks must be at least 2")
        _expect(
            sizes.depth.positions >= sizes.codebooks,
            "depth_decoder_config.max_position_embeddings must not be below num_codebooks",
        )
        _expect(
            sizes.codebook_size <= sizes.audio_vocabulary,
            "codec_config.codebook_size must not exceed vocab_size",
        )
        for key, size in (
            ("num_codebooks", sizes.codebooks),
            ("vocab_size", sizes.audio_vocabulary),
            ("backbone_hidden_size", sizes.backbone.width),
        ):
            _expect(depth.get(key) == size, f"depth_decoder_config.{key} must be {size}")
        _expect(
            config.get("codebook_eos_token_id") == 0,
            "codebook_eos_token_id must be 0: a frame of zeros is the end of speech",
        )
        return sizes


def _llama(config: Mapping[str, Any], where: str) -> LlamaSizes:
    for key in ("attention_bias", "mlp_bias"):
        _expect(not config.get(key), f"{where}{key} is not supported")
    _expect(config.get("hidden_act") == "silu", f"{where}hidden_act must be 'silu'")
    heads = _count(config, "num_attention_heads", where)
    width = _count(config, "hidden_size", where)
    kv_heads = heads
    if config.get("num_key_value_heads") is not None:
        kv_heads = _count(config, "num_key_value_heads", where)
    if config.get("head_dim") is not None:
        head_dim = _count(config, "head_dim", where)
    else:
        _expect(width % heads == 0, f"{where}hidden_size must divide by num_attention_heads")
        head_dim = width // heads
    _expect(heads % kv_heads == 0, f"{where}num_attention_heads must divide by its KV heads")
    _expect(head_dim % 2 == 0, f"{where}head_dim must be even")
    theta, scaling = _rope(config, where)
    return LlamaSizes(
        layers=_count(config, "num_hidden_layers", where),
        width=width,
        feed_forward=_count(config, "intermediate_size", where),
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        norm_eps=_positive(config, "rms_norm_eps", where),
        positions=_count(config, "max_position_embeddings", where),
        rope_theta=theta,
        rope_scaling=scaling,
    )


def _rope(config: Mapping[str, Any], where: str) -> tuple[float, Llama3Scaling | None]:
    """New style: all in `rope_parameters`. Older: `rope_theta` beside `rope_scaling` or null."""
    key = "rope_scaling" if config.get("rope_scaling") else "rope_parameters"
    found = config.get(key) or {}
    _expect(isinstance(found, dict), f"{where}{key} must be a table")
    inside = f"{where}{key}."
    has_own_theta = found.get("rope_theta") is not None
    theta = _positive(found if has_own_theta else config, "rope_theta", where)
    _expect(
        found.get("partial_rotary_factor", config.get("partial_rotary_factor")) in (None, 1, 1.0),
        f"{inside}partial_rotary_factor is not supported",
    )
    kind = found.get("rope_type", found.get("type", "default"))
    if kind == "default":
        return theta, None
    _expect(kind == "llama3", f"{inside}rope_type {kind!r} is not supported (default, llama3 are)")
    scaling = Llama3Scaling(
        factor=_positive(found, "factor", inside),
        low_freq_factor=_positive(found, "low_freq_factor", inside),
        high_freq_factor=_positive(found, "high_freq_factor", inside),
        original_positions=_count(found, "original_max_position_embeddings", inside),
    )
    _expect(
        scaling.low_freq_factor < scaling.high_freq_factor,
        f"{inside}low_freq_factor must be below high_freq_factor",
    )
    return theta, scaling


def _section(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = config.get(key)
    _expect(isinstance(found, dict), f"{key} must be a table")
    section: Mapping[str, Any] = found  # type: ignore[assignment]
    return section


def _count(config: Mapping[str, Any], key: str, where: str) -> int:
    number = _get(config, key, int, where)
    _expect(0 < number < 2**24, f"{where}{key} is {number}")
    return number


def _positive(config: Mapping[str, Any], key: str, where: str) -> float:
    number = _get(config, key, float, where)
    _expect(0 < number < float("inf"), f"{where}{key} is {number}")
    return number


def _get(
    config: Mapping[str, Any], key: str, kind: type[_T], where: str, default: _T | None = None
) -> _T:
    value = config.get(key, default)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return kind(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        wrong = "is missing" if value is None else f"is {value!r}, not {kind.__name__}"
        raise CheckpointError(f"config.json: {where}{key} {wrong}")
    return value


def _expect(true: bool, otherwise: str) -> None:
    if not true:
        raise CheckpointError(f"config.json: {otherwise}")
