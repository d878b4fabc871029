"""LoRA adapters that peft itself makes and merges: ours is the same."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import CsmForConditionalGeneration

from benchmarks.fixtures.random_csm import make_tiny_csm
from tests.model.checkpoint.test_adapter import ALL, assert_same, load

THEIRS: Any = CsmForConditionalGeneration


@pytest.fixture(scope="module")
def untied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("untied")
    return make_tiny_csm(folder, codebooks=4, tie_codebooks_embeddings=False)


def peft_pair(base: Path, tmp_path: Path, **config: Any) -> tuple[Path, Path]:
    """An adapter that peft made, and the folder of its merge; both halves are random."""
    peft: Any = pytest.importorskip("peft", reason="peft is installed for development only")
    torch.manual_seed(3)
    model = peft.get_peft_model(
        THEIRS.from_pretrained(base),
        peft.LoraConfig(**{"r": 4, "lora_alpha": 6, "init_lora_weights": False, **config}),
    )
    for name, weight in model.named_parameters():
        if "codec_model" in name and "lora_B" in name:
            weight.data.zero_()  # as training leaves it
        elif "modules_to_save" in name:
            weight.data.normal_()
    model.save_pretrained(tmp_path / "adapter")
    model.merge_and_unload().save_pretrained(tmp_path / "merged")
    for path in base.glob("*.json"):
        if not (tmp_path / "merged" / path.name).exists():
            (tmp_path / "merged" / path.name).write_bytes(path.read_bytes())
    return tmp_path / "adapter", tmp_path / "merged"


@pytest.mark.parametrize(
    "config",
    [
        {"target_modules": ALL},
        {
            "target_modules": [*ALL, "lm_head", "inputs_embeds_projector", "embed_text_tokens"],
            "use_rslora": True,
            "rank_pattern": {"q_proj": 2, "layers.1.mlp.up_proj": 7},
            "alpha_pattern": {"depth_decoder.model.layers.0.self_attn.v_proj": 5, "o_proj": 1},
        },
        {"target_modules": r".*backbone_model.*\.(q|up)_proj", "modules_to_save": ["lm_head"]},
        {"target_modules": ["k_proj"], "fan_in_fan_out": True, "layers_to_transform": [1]},
    ],
    ids=["usual", "patterns", "saved whole", "some layers"],
)
@pytest.mark.filterwarnings("ignore")  # peft's own, of tied tables and other layers
def test_it_equals_pefts_merge(folder: Path, tmp_path: Path, config: dict[str, Any]) -> None:
    adapter, theirs = peft_pair(folder, tmp_path, **config)
    ours = load(folder, adapter)
    assert_same(ours, load(theirs))
    base = load(folder).state_dict()
    assert any(not torch.equal(base[name], tensor) for name, tensor in ours.state_dict().items())


@pytest.mark.filterwarnings("ignore")
def test_tables_of_a_base_that_has_two_are_adapted(untied: Path, tmp_path: Path) -> None:
    adapter, theirs = peft_pair(
        untied,
        tmp_path,
        target_modules=r".*(embed_audio_tokens|depth_decoder\.model\.embed_tokens)",
    )
    assert_same(load(untied, adapter), load(theirs))
