"""LoRA adapters: merged as peft merges them, tensor by tensor; what else peft makes is named."""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from wyoming_csm.errors import CheckpointError
from wyoming_csm.model.checkpoint import files
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.model.csm import CsmModel

CPU = torch.device("cpu")
Q = "backbone_model.layers.1.self_attn.q_proj"
DOWN = "depth_decoder.model.layers.0.mlp.down_proj"
PROJECTION = "depth_decoder.model.inputs_embeds_projector"
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def lora(name: str, outs: int, columns: int, rank: int = 4) -> dict[str, Tensor]:
    """Both halves, as peft saves them."""
    return {
        f"base_model.model.{name}.lora_A.weight": noise(rank, columns, seed=1),
        f"base_model.model.{name}.lora_B.weight": noise(outs, rank, seed=2),
    }


def make_adapter(folder: Path, tensors: dict[str, Tensor], **config: object) -> Path:
    folder.mkdir(exist_ok=True)
    about = {"peft_type": "LORA", "r": 4, "lora_alpha": 6, "target_modules": ALL, **config}
    (folder / "adapter_config.json").write_text(json.dumps(about))
    save_file(tensors, folder / "adapter_model.safetensors")
    return folder


def load(folder: Path, adapter: Path | None = None) -> CsmModel:
    return Checkpoint(folder, adapter).load(torch.float32, CPU)


def assert_same(one: CsmModel, other: CsmModel) -> None:
    for (name, a), (_, b) in zip(one.state_dict().items(), other.state_dict().items(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6, msg=name)


def merged(folder: Path, tmp_path: Path, edit: Callable[[dict[str, Tensor]], None]) -> CsmModel:
    """The base with its tensors changed by hand."""
    target = tmp_path / "merged"
    target.mkdir()
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file(tensors, target / "model.safetensors")
    return load(target)


# -- what is merged


@pytest.mark.parametrize(
    ("config", "scale"),
    [
        ({}, 6 / 4),
        ({"use_rslora": True}, 6 / math.sqrt(4)),
        ({"alpha_pattern": {"q_proj": 3}}, 3 / 4),
        (
            {"alpha_pattern": {"layers.0.self_attn.q_proj": 3, r".*\.1\.self_attn\.q_proj": 2}},
            2 / 4,
        ),
        ({"r": 9, "rank_pattern": {"self_attn.q_proj": 4}}, 6 / 4),
        ({"fan_in_fan_out": True, "bias": "none", "lora_dropout": 0.1}, 6 / 4),
    ],
)
def test_the_scale_is_pefts(
    folder: Path, tmp_path: Path, config: dict[str, object], scale: float
) -> None:
    parts = lora(Q, 32, 32)
    adapter = make_adapter(tmp_path / "adapter", parts, **config)
    a, b = parts.values()

    def edit(tensors: dict[str, Tensor]) -> None:
        tensors[f"{Q}.weight"] += b @ a * scale

    assert_same(load(folder, adapter), merged(folder, tmp_path, edit))


def test_chunks_of_a_tensor_get_their_part(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an embedding's, too."""
    words = Checkpoint(folder).sizes.text_vocabulary
    table = "base_model.model.embed_text_tokens.lora_embedding_"
    embedding = {f"{table}A": noise(4, words), f"{table}B": noise(32, 4)}
    norm = {"base_model.model.backbone_model.norm.weight": noise(32)}
    parts = lora(Q, 32, 32) | lora(DOWN, 24, 48) | embedding | norm
    adapter = make_adapter(tmp_path / "adapter", parts)
    whole = load(folder, adapter)
    added = whole.text_embedding.weight - load(folder).text_embedding.weight
    expected = 1.5 * (noise(32, 4) @ noise(4, words)).T
    torch.testing.assert_close(added, expected, rtol=0, atol=1e-5)
    monkeypatch.setattr(files, "CHUNK_BYTES", 1_000)
    assert_same(load(folder, adapter), whole)


def test_a_module_saved_whole_replaces_the_bases(folder: Path, tmp_path: Path) -> None:
    """Also one that is folded into another when it is loaded."""
    new = {"lm_head": noise(131, 32), PROJECTION: noise(24, 32), "backbone_model.norm": noise(32)}
    saved = {f"base_model.model.{name}.weight": tensor for name, tensor in new.items()}
    adapter = make_adapter(tmp_path / "adapter", saved, modules_to_save=list(new))

    def edit(tensors: dict[str, Tensor]) -> None:
        tensors.update({f"{name}.weight": tensor for name, tensor in new.items()})

    assert_same(load(folder, adapter), merged(folder, tmp_path, edit))


def test_what_was_adapted_in_the_codec_but_never_trained_is_no_matter(
    folder: Path, tmp_path: Path
) -> None:
    """Lists of modules, as most have them, name the codec's too."""
    name = "codec_model.encoder_transformer.layers.0.self_attn.q_proj"
    parts = lora(name, 8, 8)
    parts[f"base_model.model.{name}.lora_B.weight"].zero_()
    assert_same(load(folder, make_adapter(tmp_path / "adapter", parts)), load(folder))
    refused(folder, make_adapter(tmp_path / "adapter", lora(name, 8, 8)), "changes the codec")


# -- what is not


def refused(folder: Path, adapter: Path, match: str) -> None:
    with pytest.raises(CheckpointError, match=match):
        load(folder, adapter)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"use_dora": True}, "is DoRA, which is not served: merge it"),
        ({"peft_type": "LOHA"}, "an adapter of the kind LOHA"),
        ({"peft_type": "IA3"}, "the kind IA3"),
        ({"peft_type": "PROMPT_TUNING"}, "the kind PROMPT_TUNING"),
        ({"peft_type": "TRAINABLE_TOKENS"}, "the kind TRAINABLE_TOKENS"),
        ({"peft_type": None}, "not made by peft"),
        ({"lora_bias": True}, "LoRA with a bias"),
        ({"trainable_token_indices": [1, 2]}, "trained tokens"),
        ({"target_parameters": ["weight"]}, "bare parameters"),
        ({"init_lora_weights": "pissa_niter_4"}, "begun as pissa_niter_4"),
        ({"init_lora_weights": "olora"}, "begun as olora"),
        ({"some_new_kind": {"a": 1}}, "LoRA with some_new_kind"),
        ({"alpha_pattern": {"(": 1}}, "the pattern"),
        ({"r": 0}, "rank 0"),
        ({"r": 5}, "another base"),
        ({"lora_alpha": "much"}, "alpha 'much'"),
    ],
)
def test_other_kinds_are_named(
    folder: Path, tmp_path: Path, config: dict[str, object], words: str
) -> None:
    refused(folder, make_adapter(tmp_path / "adapter", lora(Q, 32, 32), **config), words)


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        (lora("model.layers.0.self_attn.q_proj", 32, 32), "what CSM does not have: model.layers"),
        (lora(Q, 64, 32), "belongs to another base"),
        ({"base_model.model.lm_head.weight": noise(7, 32)}, "belongs to another base"),
        ({f"base_model.model.{Q}.lora_A.weight": noise(4, 32)}, "only one half"),
        (lora("depth_decoder.model.embed_tokens", 8, 8), "one for two modules"),
        ({f"base_model.model.{Q}.lora_magnitude_vector": noise(32)}, "is DoRA"),
        ({f"base_model.model.{Q}.lora_B.bias": noise(32)}, "is not known"),
        ({f"base_model.model.{Q}.weight": noise(32, 32).to(torch.int8)}, "type I8"),
    ],
)
def test_tensors_that_do_not_fit_are_named(
    folder: Path, tmp_path: Path, tensors: dict[str, Tensor], words: str
) -> None:
    refused(folder, make_adapter(tmp_path / "adapter", tensors), re.escape(words))


def test_a_damaged_adapter_is_named(folder: Path, tmp_path: Path) -> None:
    adapter = make_adapter(tmp_path / "adapter", lora(Q, 32, 32))
    path = adapter / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    refused(folder, adapter, r"adapter_model\.safetensors is damaged")
    path.unlink()
    refused(folder, adapter, r"adapter_model\.safetensors is damaged")
    (adapter / "adapter_config.json").write_text("[]")
    refused(folder, adapter, "does not hold a table")
