"""A fault in this engine alone, of any kind, is found and named by the stage that it is in."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.model.checkpoint.test_adapter import lora, make_adapter
from tests.verify.test_command import briefly, settings, told
from wyoming_csm.audio import Samples
from wyoming_csm.config import Config
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.model.quantization import linear
from wyoming_csm.model.quantization.linear import (
    KINDS,
    QuantizedLinear,
    QuantKind,
    dequantize,
    quantize,
)
from wyoming_csm.verify import ours, rounding
from wyoming_csm.verify.command import verify
from wyoming_csm.verify.ours import Parts, Setting, make_sound
from wyoming_csm.verify.reference import Reference
from wyoming_csm.verify.rounding import times_allowed
from wyoming_csm.worker.csm.load import Loaded

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


def loaded_with(fault: Callable[[Any], object]) -> Parts:
    """A fault in what is loaded, before it speaks."""

    def load(setting: Setting) -> Loaded:
        loaded = ours.load(setting)
        with torch.no_grad():
            fault(loaded)
        return loaded

    return Parts(load=load)


def one_weight(loaded: Any) -> None:
    loaded.generator.model.depth.transformer.layers[1].input_layernorm.weight.mul_(1.2)


def one_head(loaded: Any) -> None:
    """Of 8, and a tenth off: 31 right ones must not hide it."""
    loaded.generator.model.depth.heads[5].weight.mul_(1.1)


def scales_of_a_quantised_weight(loaded: Any) -> None:
    layer = loaded.generator.model.backbone.layers[0].qkv
    assert isinstance(layer, QuantizedLinear)
    layer.scales.mul_(1.1)


def position_of_a_step(loaded: Any) -> None:
    """Prefilling is right, steps are not: nothing but speaking shows it."""
    backbone = loaded.generator.model.backbone
    step = backbone.step
    backbone.step = lambda x, positions, *rest: step(x, positions * 0, *rest)


def forgetful_codec(loaded: Any) -> None:
    """One of its states is lost between frames."""
    decoder = loaded.decoder
    step = decoder.step

    def broken(codes: Tensor, state: Any, active: Tensor) -> Tensor:
        state.memories[5].zero_()
        found: Tensor = step(codes, state, active)
        return found

    decoder.step = broken


def nothing_but_nan(loaded: Any) -> None:
    loaded.generator.model.backbone.norm.weight.fill_(float("nan"))


@pytest.mark.parametrize(
    ("fault", "dtype", "stage"),
    [
        (one_weight, "float32", "logits"),
        (one_head, "bfloat16", "logits"),
        (scales_of_a_quantised_weight, "int8", "logits"),
        (nothing_but_nan, "bfloat16", "logits"),
        (position_of_a_step, "bfloat16", "frames"),
        (forgetful_codec, "float32", "sound"),
    ],
)
def test_a_fault_in_what_is_loaded(
    fault: Callable[[Any], object],
    dtype: str,
    stage: str,
    flat: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert verify(briefly(flat, tmp_path, dtype), None, 8, loaded_with(fault)) == 1
    out = capsys.readouterr().out
    assert f"first in: {stage}." in out
    assert f"\n{stage:7} DIFFERS: " in out


@pytest.mark.parametrize(
    ("dtype", "depth", "configured"),
    [
        ("int8", None, briefly),
        ("fp8", None, briefly),
        ("int4", None, settings),  # so coarse that after a short clip rounding shows in the logits
        ("bfloat16", "int8", briefly),
    ],
)
def test_a_fault_in_quantising_itself(
    dtype: str,
    depth: str | None,
    configured: Callable[..., Config],
    flat: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """transformers' model is given the same wrong weights: all that follows is equal."""

    def too_large(weights: Tensor, kind: QuantKind) -> tuple[Tensor, Tensor]:
        codes, scales = quantize(weights, kind)
        return codes, scales * 3

    for module in (linear, rounding):
        monkeypatch.setattr(module, "quantize", too_large)
    assert verify(configured(flat, tmp_path, dtype, depth_dtype=depth), None, 3) == 1
    found = told(capsys)
    assert found["different"] == ["weights"]
    assert found["weights"]["times"] > 10


@pytest.mark.parametrize("kind", KINDS)
def test_right_roundings_of_any_weights_are_within_the_bound(kind: QuantKind) -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(64, 96, generator=generator)
    weight[:8] *= torch.tensor([1e-33, 1e-6, 1e-3, 1, 1e2, 1e4, 1e6, 0])[:, None]
    weight[8:16] = weight[8:16].abs()
    weight[16:24, ::3] = 0
    weight[24, 5] = 1e3
    weight[25:33] = torch.randint(-8, 9, (8, 96), generator=generator) / 8  # with ties
    for weights in (weight, weight.bfloat16().float(), weight[:, :24].contiguous()):
        found = dequantize(*quantize(weights, kind), torch.float32)
        assert 0.5 < times_allowed(weights, found, kind) <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_small_faults_of_rounding_are_beyond_the_bound(kind: QuantKind) -> None:
    weight = torch.randn(64, 96, generator=torch.Generator().manual_seed(0))
    found = dequantize(*quantize(weight, kind), torch.float32)
    shifted, one, broken = found.roll(1, dims=1), found.clone(), found.clone()
    one[5, 7] = -one[5, 7]
    broken[3, 3] = torch.nan
    for wrong in (found * 1.1, found * 0.9, shifted, one):
        assert times_allowed(weight, wrong, kind) > 1
    assert not times_allowed(weight, broken, kind) <= 1


def test_rope_scaling_left_out(
    flat: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(setting: Setting) -> Loaded:
        checkpoint = Checkpoint(setting.checkpoint.folder)
        sizes = checkpoint.sizes
        plain = msgspec.structs.replace(sizes.backbone, rope_scaling=None)
        checkpoint.sizes = msgspec.structs.replace(sizes, backbone=plain)
        return ours.load(dataclasses.replace(setting, checkpoint=checkpoint))

    assert verify(briefly(flat, tmp_path), None, 3, Parts(load=load)) == 1
    assert told(capsys)["different"][0] == "logits"


def test_an_adapter_is_merged_on_both_sides(
    flat: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = lora("backbone_model.layers.1.self_attn.q_proj", 32, 32)
    adapter = make_adapter(tmp_path / "adapter", parts, base_model_name_or_path=str(flat))
    assert verify(briefly(adapter, tmp_path), None, 3) == 0
    assert told(capsys)["adapter"] is True

    def without(setting: Setting) -> Loaded:
        return ours.load(dataclasses.replace(setting, checkpoint=Checkpoint(flat)))

    assert verify(briefly(adapter, tmp_path), None, 3, Parts(load=without)) == 1
    assert told(capsys)["different"][0] == "logits"


def test_an_encoder_that_encodes_something_else(
    flat: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What follows is compared with our own codes: only the clip differs."""

    def late(setting: Setting, samples: Samples) -> Tensor:
        return ours.encode(setting, samples).roll(1, dims=0)

    assert verify(briefly(flat, tmp_path), None, 3, Parts(encode=late)) == 1
    assert told(capsys)["different"] == ["clip"]


def test_ties_are_counted_and_other_codes_are_not(flat: Path, tmp_path: Path) -> None:
    """Two equal entries of a codebook: either is right, whichever a rounding chooses."""
    tensors = load_file(flat / "model.safetensors")
    for name, tensor in tensors.items():
        if "semantic" not in name and ".layers.0.codebook." in name and tensor.ndim:
            tensor[64:] = tensor[:64]
    folder = tmp_path / "twins"
    folder.mkdir()
    for file in flat.glob("*.json"):
        (folder / file.name).write_bytes(file.read_bytes())
    save_file(tensors, folder / "model.safetensors")
    sound = make_sound(2.0)
    setting = Setting(settings(folder, tmp_path).csm, Checkpoint(folder), CPU, tmp_path, print)
    codes = ours.encode(setting, sound)
    reference = Reference(setting.checkpoint, CPU)
    assert reference.clip(sound, codes)[0].equal(codes)
    others = codes.clone()
    others[:5, 1] = (others[:5, 1] + 64) % 128  # the twins
    others[9, 3] = (others[9, 3] + 1) % 128
    theirs, ties = reference.clip(sound, others)
    assert ties == 5
    assert (theirs != others).any(dim=1).nonzero().flatten().tolist() == [9]
