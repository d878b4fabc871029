"""Checkpoints of every layout load; what does not fit is refused by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor
from transformers import MimiModel

from benchmarks.fixtures.random_mimi import fill_codec, tiny_mimi_config
from wyoming_csm.errors import CheckpointError
from wyoming_csm.model.mimi.decoder import MimiDecoder
from wyoming_csm.model.mimi.weights import flat_name, load_decoder

Tensors = dict[str, Tensor]


@pytest.fixture(scope="module")
def model() -> MimiModel:
    model: Any = MimiModel(tiny_mimi_config())
    model.eval()
    fill_codec(model, seed=2)
    return model  # type: ignore[no-any-return]


@pytest.fixture
def flat(model: MimiModel, tmp_path: Path) -> Tensors:
    """As transformers writes it to disk, whatever its version."""
    model.save_pretrained(tmp_path)
    with safe_open(tmp_path / "model.safetensors", framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def load(model: MimiModel, tensors: Tensors) -> MimiDecoder:
    config: Any = model.config
    return load_decoder(config.to_dict(), [(n, t.clone) for n, t in tensors.items()])


def first_frame(decoder: MimiDecoder) -> Tensor:
    codes = torch.arange(8)[None]
    return decoder.step(codes, decoder.new_state(1, "cpu"), torch.tensor([True]))


@pytest.mark.parametrize(
    ("name", "flat"),
    [
        ("decoder.decoder_seanet.layers.3.block.1.conv.bias", "decoder.layers.3.block.1.conv.bias"),
        ("decoder.decoder.layers.0.conv.weight", "decoder.layers.0.conv.weight"),
        ("decoder.layers.0.conv.weight", "decoder.layers.0.conv.weight"),
        ("decoder.upsample.conv.weight", "upsample.conv.weight"),
        ("upsample.conv.weight", "upsample.conv.weight"),
        (
            "decoder.decoder_transformer.layers.0.mlp.fc1.weight",
            "decoder_transformer.layers.0.mlp.fc1.weight",
        ),
        ("encoder.encoder_seanet.layers.0.conv.bias", "encoder.layers.0.conv.bias"),
        ("encoder.downsample.conv.weight", "downsample.conv.weight"),
        (
            "encoder.encoder_transformer.layers.0.mlp_layer_scale.scale",
            "encoder_transformer.layers.0.mlp_layer_scale.scale",
        ),
        (
            "quantizer.semantic_residual_vector_quantizer.output_proj.weight",
            "quantizer.semantic_residual_vector_quantizer.output_proj.weight",
        ),
    ],
)
def test_both_layouts_have_the_same_flat_names(name: str, flat: str) -> None:
    assert flat_name(name) == flat


def test_the_layout_on_disk_and_the_one_in_memory_give_the_same_sound(
    model: MimiModel, flat: Tensors
) -> None:
    nested = {_nested(name): tensor for name, tensor in flat.items()}
    assert set(nested).isdisjoint(n for n in flat if not n.startswith("quantizer."))
    expected = model.decode(torch.arange(8)[None, :, None]).audio_values[0].detach()
    for tensors in (flat, nested, dict(model.state_dict())):
        assert torch.allclose(first_frame(load(model, tensors)), expected, atol=1e-6)


def _nested(name: str) -> str:
    """A flat name as the model calls it since transformers 5.21."""
    first, _, rest = name.partition(".")
    return {
        "encoder": f"encoder.encoder_seanet.{rest}",
        "decoder": f"decoder.decoder_seanet.{rest}",
        "upsample": f"decoder.{name}",
        "decoder_transformer": f"decoder.{name}",
        "downsample": f"encoder.{name}",
        "encoder_transformer": f"encoder.{name}",
        "quantizer": name,
    }[first]


def test_low_precision_is_raised_before_anything_is_computed(
    model: MimiModel, flat: Tensors
) -> None:
    low = {name: tensor.bfloat16() for name, tensor in flat.items()}
    raised = {name: tensor.float() for name, tensor in low.items()}
    assert torch.equal(first_frame(load(model, low)), first_frame(load(model, raised)))
    assert first_frame(load(model, low)).dtype == torch.float32


def test_the_encoder_is_not_read(model: MimiModel, flat: Tensors) -> None:
    read: list[str] = []

    def reader(name: str) -> Callable[[], Tensor]:
        def values() -> Tensor:
            read.append(name)
            return flat[name]

        return values

    config: Any = model.config
    load_decoder(config.to_dict(), [(name, reader(name)) for name in flat])
    assert len(read) == len(set(read)) > 60
    assert not [n for n in read if "encoder" in n.split(".")[0] or "input_proj" in n]


def test_what_is_missing_is_named(model: MimiModel, flat: Tensors) -> None:
    del flat["upsample.conv.weight"]
    with pytest.raises(CheckpointError, match=r"upsample\.conv\.weight and 0 more are missing"):
        load(model, flat)


def test_what_is_unknown_is_named(model: MimiModel, flat: Tensors) -> None:
    with pytest.raises(CheckpointError, match=r"decoder\.layers\.99\.conv\.bias: unknown"):
        load(model, flat | {"decoder.layers.99.conv.bias": torch.zeros(1)})


def test_both_layouts_at_once_are_refused(model: MimiModel, flat: Tensors) -> None:
    doubled = flat | {"decoder.upsample.conv.weight": flat["upsample.conv.weight"]}
    with pytest.raises(CheckpointError, match="twice"):
        load(model, doubled)


def test_a_wrong_shape_is_named_even_if_it_would_broadcast(model: MimiModel, flat: Tensors) -> None:
    wrong = flat | {"decoder.layers.0.conv.bias": torch.zeros(1)}
    with pytest.raises(CheckpointError, match=r"layers\.0\.conv\.bias: its shape is \[1\]"):
        load(model, wrong)
