"""Sizes come from `config.json`, in its newer and older form, and nonsense is refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.fixtures.random_csm import edit_config, make_tiny_csm
from wyoming_csm.errors import CheckpointError
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.model.config import CsmSizes
from wyoming_csm.model.mimi.config import read_config


def test_older_configurations_of_rope(folder: Path) -> None:
    expected = Checkpoint(folder).sizes
    assert expected.backbone.rope_scaling is not None
    assert expected.depth.rope_scaling is not None
    assert expected.backbone.rope_scaling != expected.depth.rope_scaling

    def older(config: dict[str, Any]) -> None:
        for section in (config, config["depth_decoder_config"]):
            scaling = section.pop("rope_parameters")
            section["rope_theta"] = scaling.pop("rope_theta")
            section["rope_scaling"] = scaling

    edit_config(folder, older)
    assert Checkpoint(folder).sizes == expected

    edit_config(folder, lambda c: c.update(rope_scaling=None))
    assert Checkpoint(folder).sizes.backbone.rope_scaling is None


WRONG: list[tuple[str, object]] = [
    ("model_type", "llama"),
    ("hidden_size", None),
    ("hidden_size", "32"),
    ("hidden_size", 0),
    ("hidden_size", True),
    ("num_hidden_layers", 2**40),
    ("num_hidden_layers", 1025),
    ("num_attention_heads", 3),
    ("head_dim", 7),
    ("head_dim", 514),
    ("max_position_embeddings", 2**17 + 1),
    ("depth_decoder_config.max_position_embeddings", 2**17 + 1),
    ("attention_bias", True),
    ("mlp_bias", True),
    ("hidden_act", "gelu"),
    ("num_codebooks", 1),
    ("rms_norm_eps", 0.0),
    ("codebook_eos_token_id", 1),
    ("codec_config", None),
    ("codec_config.codebook_size", None),
    ("codec_config.codebook_size", 132),
    ("depth_decoder_config", []),
    ("depth_decoder_config.num_codebooks", 9),
    ("depth_decoder_config.vocab_size", 130),
    ("depth_decoder_config.backbone_hidden_size", 16),
    ("depth_decoder_config.max_position_embeddings", 7),
    ("depth_decoder_config.hidden_size", None),
    ("rope_parameters.rope_type", "yarn"),
    ("rope_parameters.rope_theta", None),
    ("rope_parameters.factor", None),
    ("rope_parameters.factor", 0),
    ("rope_parameters.low_freq_factor", 0.5),
    ("rope_parameters.partial_rotary_factor", 0.5),
    ("rope_parameters", "llama3"),
]


@pytest.mark.parametrize(("path", "value"), WRONG)
def test_sizes_that_cannot_be(folder: Path, path: str, value: object) -> None:
    *parents, key = path.split(".")

    def spoil(config: dict[str, Any]) -> None:
        for parent in parents:
            config = config[parent]
        config[key] = value

    edit_config(folder, spoil)
    with pytest.raises(CheckpointError, match=key):
        CsmSizes.from_config(json.loads((folder / "config.json").read_text()))
    with pytest.raises(CheckpointError):
        Checkpoint(folder)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("hidden_size", "32", "config.json: Expected `int`, got `str` - at `hidden_size`"),
        (
            "depth_decoder_config.head_dim",
            7,
            "config.json: depth_decoder_config: head_dim must be even",
        ),
        (
            "codec_config.pad_mode",
            "reflect",
            "config.json: codec_config: pad_mode is 'reflect': only 'constant' can be used",
        ),
        (
            "codec_config.kernel_size",
            0,
            "config.json: codec_config: Expected `int` >= 1 - at `kernel_size`",
        ),
    ],
)
def test_a_refusal_says_where_in_the_file(
    folder: Path, path: str, value: object, words: str
) -> None:
    """The codec's part is refused in the same words as the network's."""
    config = json.loads((folder / "config.json").read_text())
    *parents, key = path.split(".")
    part = config
    for parent in parents:
        part = part[parent]
    part[key] = value
    with pytest.raises(CheckpointError) as refused:
        _ = CsmSizes.from_config(config), read_config(config["codec_config"])
    assert str(refused.value) == words


def test_sizes_are_the_configurations(tmp_path: Path) -> None:
    """Nothing is a default of a class."""
    sizes = Checkpoint(make_tiny_csm(tmp_path, codebooks=32)).sizes
    assert (sizes.codebooks, sizes.backbone.head_dim, sizes.depth.head_dim) == (32, 8, 8)
    assert (sizes.audio_vocabulary, sizes.codebook_size) == (131, 128)
