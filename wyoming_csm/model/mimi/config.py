"""What a checkpoint's `codec_config` says about Mimi; unknown variants are refused."""

import math
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from wyoming_csm.errors import CheckpointError
from wyoming_csm.model.config import read_section

_Size = Annotated[int, Meta(ge=1, le=1 << 20)]
_Few = Annotated[int, Meta(ge=1, le=256)]

# What the codec here is written for. Nothing else was ever published; a checkpoint that says
# otherwise would load and sound wrong.
_ONLY: dict[str, Any] = {
    "sampling_rate": 24_000,
    "audio_channels": 1,
    "use_causal_conv": True,
    "pad_mode": "constant",
    "trim_right_ratio": 1.0,
    "num_residual_layers": 1,
    "use_conv_shortcut": False,
    "hidden_act": "gelu",
    "attention_bias": False,
}


class _Rope(msgspec.Struct, frozen=True):
    rope_type: str = "default"
    rope_theta: float = 10_000.0


class MimiConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes under the names of transformers' MimiConfig, with its defaults for absent keys."""

    hidden_size: _Size = 512
    num_filters: _Size = 64
    upsampling_ratios: Annotated[tuple[_Few, ...], Meta(min_length=1, max_length=8)] | None = None
    kernel_size: _Few = 7
    last_kernel_size: _Few = 3
    residual_kernel_size: _Few = 3
    compress: _Few = 2
    codebook_size: _Size = 2048
    vector_quantization_hidden_dimension: _Size = 256
    num_quantizers: _Few = 32
    num_semantic_quantizers: _Few = 1
    upsample_groups: _Size = 512
    num_hidden_layers: _Few = 8
    intermediate_size: _Size = 2048
    num_attention_heads: _Few = 8
    num_key_value_heads: _Few = 8
    head_dim: _Size | None = None
    norm_eps: float = 1e-5
    sliding_window: _Size = 250
    sampling_rate: int = 24_000
    frame_rate: Annotated[float, Meta(ge=0.1)] | None = None
    rope_parameters: _Rope | None = None
    rope_theta: float = 10_000.0  # where older checkpoints keep it

    @property
    def ratios(self) -> tuple[int, ...]:
        """Strides of the upsampling convolutions, first to last."""
        return self.upsampling_ratios or (8, 6, 5, 4)

    @property
    def positions_per_frame(self) -> int:
        """Positions of the transformer in one frame: the stride of the first upsampling."""
        if self.frame_rate is None:
            return 2
        return int(math.ceil(self.sampling_rate / math.prod(self.ratios)) / self.frame_rate)

    @property
    def samples_per_frame(self) -> int:
        """Samples of a frame: 1920 in every published checkpoint."""
        return self.positions_per_frame * math.prod(self.ratios)

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.head_dim or self.hidden_size // self.num_attention_heads

    @property
    def theta(self) -> float:
        """Base of the rotary embedding."""
        return self.rope_parameters.rope_theta if self.rope_parameters else self.rope_theta

    def __post_init__(self) -> None:
        """Refuse sizes that do not fit together, which would fail deep inside torch."""
        rope, wide = self.rope_parameters, self.vector_quantization_hidden_dimension
        wrong = {
            "rope_parameters": rope is not None and rope.rope_type != "default",
            "frame_rate": self.positions_per_frame < 2,
            "num_semantic_quantizers": self.num_semantic_quantizers >= self.num_quantizers,
            # equal widths mean: no projection after the codebooks
            "vector_quantization_hidden_dimension": wide == self.hidden_size,
            "upsample_groups": self.hidden_size % self.upsample_groups != 0,
            "num_key_value_heads": self.num_attention_heads % self.num_key_value_heads != 0,
            "head_dim": self.head_width % 2 != 0,
            "compress": self.num_filters % self.compress != 0,
        }
        for key, is_wrong in wrong.items():
            if is_wrong:
                raise ValueError(f"{key}: {getattr(self, key)!r} cannot be used")


def read_config(found: Mapping[str, Any], codebooks: int = 1) -> MimiConfig:
    """Read the sizes in a `codec_config`, of which a model uses so many codebooks.

    Raises CheckpointError for what is not implemented, and for fewer codebooks.
    """
    # newer transformers write what older ones called frame_rate as _frame_rate
    found = {"frame_rate": found.get("_frame_rate"), **found}
    config = read_section(found, "codec_config", MimiConfig, _ONLY)
    if not 1 <= codebooks <= config.num_quantizers:
        raise CheckpointError(
            f"the codec has {config.num_quantizers} codebooks, the model asks for {codebooks}"
        )
    return config
