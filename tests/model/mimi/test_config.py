"""The codec's configuration: sizes as transformers reads them, refusals by name."""

from typing import Any

import pytest
from transformers import MimiConfig as TransformersConfig

from wyoming_csm.errors import CheckpointError
from wyoming_csm.model.mimi.config import MimiConfig, read_config


def test_absent_keys_mean_what_they_mean_to_transformers() -> None:
    theirs: Any = TransformersConfig()
    same = set(MimiConfig.__struct_fields__) & set(theirs.to_dict())
    assert len(same) > 15
    ours = read_config({})
    derived = {
        "upsampling_ratios": list(ours.ratios),
        "head_dim": ours.head_width,
        "rope_parameters": {"rope_type": "default", "rope_theta": ours.theta},
    }
    for key in same:
        assert derived.get(key, getattr(ours, key)) == getattr(theirs, key), key
    assert read_config(theirs.to_dict()).samples_per_frame == ours.samples_per_frame == 1920


def test_an_older_checkpoint_has_theta_and_frame_rate_elsewhere() -> None:
    config = read_config({"rope_theta": 500.0, "frame_rate": 12.5, "head_dim": None})
    assert (config.theta, config.positions_per_frame, config.head_width) == (500.0, 2, 64)


def test_the_frame_rate_survives_a_newer_transformers() -> None:
    written: Any = TransformersConfig.from_dict({"frame_rate": 6.25})
    assert read_config(written.to_dict()).positions_per_frame == 4


@pytest.mark.parametrize(
    "variant",
    [
        {"use_causal_conv": False},
        {"pad_mode": "reflect"},
        {"trim_right_ratio": 0.5},
        {"num_residual_layers": 2},
        {"use_conv_shortcut": True},
        {"hidden_act": "silu"},
        {"attention_bias": True},
        {"audio_channels": 2},
        {"sampling_rate": 16_000},
        {"rope_parameters": {"rope_type": "linear", "factor": 2.0}},
        {"frame_rate": 25.0},
        {"frame_rate": 0},
        {"num_semantic_quantizers": 32},
        {"vector_quantization_hidden_dimension": 512},
        {"upsample_groups": 500},
        {"num_key_value_heads": 3},
        {"head_dim": 7},
        {"compress": 128},
        {"sliding_window": None},
        {"codebook_size": 0},
        {"hidden_size": "512"},
    ],
    ids=str,
)
def test_a_variant_that_is_not_implemented_is_refused_by_name(variant: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match=next(iter(variant))):
        read_config(variant)
