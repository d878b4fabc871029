"""Checkpoints: layouts that load, and what is said of those that do not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CsmForConditionalGeneration

from benchmarks.fixtures.random_csm import edit_config, make_tiny_csm
from wyoming_csm.errors import CheckpointError
from wyoming_csm.model.checkpoint import files
from wyoming_csm.model.checkpoint import load as loading
from wyoming_csm.model.checkpoint.load import CODEC, Checkpoint
from wyoming_csm.model.csm import CsmModel

CPU = torch.device("cpu")
THEIRS: Any = CsmForConditionalGeneration
DEPTH_TABLE = "depth_decoder.model.embed_tokens.weight"
PARTS = (
    *(f"self_attn.{part}_proj" for part in "qkvo"),
    *(f"mlp.{part}_proj" for part in ("gate", "up", "down")),
    "input_layernorm",
    "post_attention_layernorm",
)
BACKBONE_TABLE = "backbone_model.embed_tokens.embed_audio_tokens.weight"


def edit_tensors(folder: Path, edit: Callable[[dict[str, Tensor]], object]) -> None:
    path = folder / "model.safetensors"
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    edit(tensors)
    save_file(tensors, path)


def load(folder: Path, dtype: torch.dtype = torch.float32) -> CsmModel:
    return Checkpoint(folder).load(dtype, CPU)


def assert_same(one: CsmModel, other: CsmModel) -> None:
    for (name, a), (_, b) in zip(one.state_dict().items(), other.state_dict().items(), strict=True):
        if name == "depth.table":  # a product: its last bit hangs on how many entries it is made of
            torch.testing.assert_close(a, b)
        else:
            assert torch.equal(a, b), name


# -- what loads


def test_every_weight_is_the_stored_one_in_the_asked_precision(folder: Path) -> None:
    model = load(folder, torch.bfloat16)
    theirs = THEIRS.from_pretrained(folder, dtype=torch.bfloat16)
    size = model.sizes.codebook_size
    assert model.dtype == torch.bfloat16
    assert torch.equal(model.text_embedding.weight, theirs.embed_text_tokens.weight)
    assert torch.equal(model.head.weight, theirs.lm_head.weight[:size])
    assert len(model.depth.heads) == len(theirs.depth_decoder.codebooks_head.weight) == 7
    heads: Any = model.depth.heads
    for head, weight in zip(heads, theirs.depth_decoder.codebooks_head.weight, strict=True):
        assert torch.equal(head.weight, weight.T[:size])
    for ours, other in (
        (model.backbone, theirs.backbone_model),
        (model.depth.transformer, theirs.depth_decoder.model),
    ):
        assert torch.equal(ours.norm.weight, other.norm.weight)
        blocks: Any = ours.layers
        for block, layer in zip(blocks, other.layers, strict=True):
            fused = {name: layer.state_dict()[f"{name}.weight"] for name in PARTS}
            q, k, v, o, gate, up, down, before, after = fused.values()
            assert torch.equal(block.qkv.weight, torch.cat((q, k, v)))
            assert torch.equal(block.gate_up.weight, torch.cat((gate, up)))
            assert torch.equal(block.out.weight, o)
            assert torch.equal(block.down.weight, down)
            assert torch.equal(block.input_layernorm.weight, before)
            assert torch.equal(block.post_attention_layernorm.weight, after)
    assert not any(p.is_meta or p.requires_grad for p in model.parameters())
    assert model.backbone.cos.dtype == torch.bfloat16
    assert model.offsets.dtype == torch.int64


@pytest.mark.parametrize("tied", [True, False])
def test_the_depth_decoders_table_is_projected_before_it_is_rounded(
    tmp_path: Path, tied: bool
) -> None:
    folder = make_tiny_csm(tmp_path, codebooks=4, tie_codebooks_embeddings=tied)
    model, stored = load(folder, torch.bfloat16), load_file(folder / "model.safetensors")
    own = stored[DEPTH_TABLE][: 3 * model.sizes.audio_vocabulary]
    exact = own @ stored["depth_decoder.model.inputs_embeds_projector.weight"].T
    assert torch.equal(model.depth.table, exact.bfloat16())
    expected = stored[DEPTH_TABLE if tied else BACKBONE_TABLE].bfloat16()
    assert torch.equal(model.audio_embedding.weight, expected)


def test_the_table_of_text_may_stay_on_the_host(folder: Path) -> None:
    model = Checkpoint(folder).load(torch.float32, torch.device("meta"), text_on_host=True)
    assert torch.equal(model.text_embedding.weight, load(folder).text_embedding.weight)
    assert [n for n, p in model.named_parameters() if not p.is_meta] == ["text_embedding.weight"]


def test_shards_load_like_one_file(folder: Path, tmp_path: Path) -> None:
    sharded = tmp_path / "sharded"
    THEIRS.from_pretrained(folder).save_pretrained(sharded, max_shard_size="300KB")
    assert len(list(sharded.glob("model-*.safetensors"))) > 3
    assert_same(load(sharded), load(folder))


def test_large_tensors_come_in_chunks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = load(folder)
    monkeypatch.setattr(files, "CHUNK_BYTES", 5_000)
    monkeypatch.setattr(loading, "FOLD_ENTRIES", 7)
    assert_same(load(folder), whole)


@pytest.mark.parametrize("names", [{BACKBONE_TABLE}, {BACKBONE_TABLE, DEPTH_TABLE}])
def test_a_tied_table_may_stand_under_either_name(folder: Path, names: set[str]) -> None:
    expected = load(folder)

    def rename(tensors: dict[str, Tensor]) -> None:
        table = tensors.pop(DEPTH_TABLE)
        tensors.update({name: table.clone() for name in names})

    edit_tensors(folder, rename)
    model = load(folder)
    assert_same(model, expected)


def test_the_config_may_name_the_weights(folder: Path) -> None:
    """sesame/csm-1b: `model.safetensors` there is the original layout."""
    expected = load(folder)
    (folder / "model.safetensors").rename(folder / "transformers.safetensors")
    save_file({"backbone.tok_embeddings.weight": torch.zeros(1)}, folder / "model.safetensors")
    edit_config(folder, lambda c: c.update(transformers_weights="transformers.safetensors"))
    assert_same(load(folder), expected)


def test_codec_tensors_are_given_out_one_by_one(folder: Path) -> None:
    checkpoint = Checkpoint(folder)
    stored = load_file(folder / "model.safetensors")
    names = checkpoint.names(CODEC)
    assert set(names) == {name for name in stored if name.startswith("codec_model.")}
    assert len(names) > 100
    assert all(torch.equal(checkpoint.tensor(name), stored[name]) for name in names)


# -- what does not


def refused(folder: Path, match: str) -> None:
    with pytest.raises(CheckpointError, match=match):
        load(folder)


@pytest.mark.parametrize("name", ["lm_head.weight", DEPTH_TABLE, "backbone_model.norm.weight"])
def test_a_missing_tensor(folder: Path, name: str) -> None:
    edit_tensors(folder, lambda tensors: tensors.pop(name))
    refused(folder, "1 tensors are missing")


def test_an_unknown_tensor(folder: Path) -> None:
    extra = {"backbone_model.layers.2.mlp.up_proj.weight": torch.zeros(1)}
    edit_tensors(folder, lambda tensors: tensors.update(extra))
    refused(folder, r"1 tensors are not known: backbone_model\.layers\.2\.mlp\.up_proj")


def test_a_tensor_of_another_shape(folder: Path) -> None:
    edit_tensors(folder, lambda t: t.update({"lm_head.weight": t["lm_head.weight"][:-1].clone()}))
    refused(folder, r"lm_head\.weight: its shape is \[130, 32\]")


def test_a_quantised_tensor(folder: Path) -> None:
    edit_tensors(folder, lambda t: t.update({"lm_head.weight": t["lm_head.weight"].char()}))
    refused(folder, r"lm_head\.weight: type I8")


@pytest.mark.parametrize("length", [0, 4, 100, 20_000, -1])
def test_a_truncated_file(folder: Path, length: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:length])
    refused(folder, r"model\.safetensors is damaged")


def test_a_clone_without_its_large_files(folder: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4944026784\n"
    (folder / "model.safetensors").write_text(pointer)
    refused(folder, "git lfs pull")


def test_a_file_of_noise(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(bytes(range(256)) * 100)
    refused(folder, r"model\.safetensors is damaged")


def test_a_folder_without_safetensors(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    refused(folder, r"there is no model\.safetensors or model\.safetensors\.index\.json")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("text_embeddings.weight", "original layout"),
        ("backbone_model.layers.0.mlp.up_proj.qweight", "GPTQ"),
        ("backbone_model.layers.0.mlp.up_proj.weight.absmax", "bitsandbytes"),
        ("backbone_model.layers.0.mlp.up_proj.scales", "MLX"),
        ("base_model.model.lm_head.lora_A.weight", "adapter_config"),
    ],
)
def test_tensors_of_another_layout_are_named(folder: Path, name: str, what: str) -> None:
    save_file({name: torch.zeros(1)}, folder / "model.safetensors")
    refused(folder, what)


@pytest.mark.parametrize("name", ["../x.safetensors", "/etc/passwd", "x/y.safetensors", "w.bin", 5])
def test_weights_are_only_looked_for_beside_the_config(folder: Path, name: object) -> None:
    edit_config(folder, lambda c: c.update(transformers_weights=name))
    refused(folder, "does not name a file|only safetensors")


def test_an_index_that_lies(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "a.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"lm_head.weight": "a.safetensors"}}))
    refused(folder, r"not as in model\.safetensors\.index\.json")
    index.write_text(json.dumps({"weight_map": {"lm_head.weight": "../a.safetensors"}}))
    refused(folder, "does not name a file")
    index.write_text(json.dumps({"weight_map": {"lm_head.weight": "b.safetensors"}}))
    refused(folder, r"b\.safetensors is damaged or unreadable")
    index.write_text("[]")
    refused(folder, "does not hold a table")


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff", '{"a":' * 100_000])
def test_a_broken_config(folder: Path, text: str) -> None:
    (folder / "config.json").write_bytes(text.encode("latin-1"))
    refused(folder, r"config\.json")


def test_no_config(tmp_path: Path) -> None:
    refused(tmp_path, r"config\.json is missing")
