"""What csm.checkpoint may name, and what is said of everything else that people name there."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tests.fake_hub import FakeHub, point_at, serving
from wyoming_csm.config import CsmConfig
from wyoming_csm.errors import CheckpointError, EngineUnavailable
from wyoming_csm.worker.csm.checkpoints import Found, find_checkpoint, take_token

NAME, BASE = "somebody/voice", "sesame/csm"
OURS = {"model_type": "csm", "depth_decoder_config": {}}
ORIGINAL = {"backbone_flavor": "llama-1B", "audio_num_codebooks": 32}
LORA = {"peft_type": "LORA", "r": 4, "base_model_name_or_path": BASE}

# Files with their JSON, or None where what is in them does not matter; then a word of what is
# said, and one of what helps.
FOREIGN: list[tuple[dict[str, Any], str, str]] = [
    ({"config.json": {"model_type": "llama"}, "model.safetensors": None}, "'llama'", "sesame/"),
    ({"config.json": {"model_type": "llama"}, "llama.gguf": None}, "'llama'", "sesame/"),
    ({"config.json": {}, "x.safetensors": None}, "another model|called", "sesame/"),
    ({"csm-1b-q8.gguf": None, "README.md": None}, "GGUF", "sesame/"),
    ({"config.json": OURS, "model.onnx": None}, "ONNX", "sesame/"),
    ({"config.json": OURS, "pytorch_model.bin": None}, "pickle", "save_pretrained"),
    ({"model.pt": None}, "pickle", "save_pretrained"),
    ({"config.json": ORIGINAL, "ckpt.pt": None, "model.safetensors": None}, "original", "sesame/"),
    ({"ckpt.pt": None}, "original", "sesame/"),
    ({"config.json": ORIGINAL | {"model_type": "csm"}, "model.safetensors": None}, "orig", "sesam"),
    ({"config.json": OURS | {"quantization": {"group_size": 64}}, "m.x": None}, "MLX", "sesame/"),
    ({"weights.npz": None}, "MLX", "sesame/"),
    *(
        (
            {
                "config.json": OURS | {"quantization_config": {"quant_method": method}},
                "model.safetensors": None,
            },
            method,
            "int8",
        )
        for method in ("bitsandbytes", "gptq", "awq")
    ),
    ({"model.safetensors": None}, "without their config", "copy config.json"),
    ({"adapter_config.json": LORA, "adapter_model.bin": None}, "adapter in a pickle", "save_pre"),
    ({"README.md": None}, "nothing that CSM", "sesame/"),
    ({"checkpoint-500/model.safetensors": None, "runs/x": None}, "training run", "checkpoint-500"),
    ({"checkpoint-5/x": None, "checkpoint-20/x": None}, "training run", "checkpoint-20"),
]
NAMES = [" ".join(files) for files, _, _ in FOREIGN]


def lay(folder: Path, files: dict[str, Any]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x" if content is None else json.dumps(content))
    return folder


@pytest.mark.parametrize(("files", "what", "cure"), FOREIGN, ids=NAMES)
def test_a_folder_is_named_for_what_it_is(
    tmp_path: Path, files: dict[str, Any], what: str, cure: str
) -> None:
    folder = lay(tmp_path / "it", files)
    with pytest.raises(EngineUnavailable, match=what) as refused:
        find_checkpoint(CsmConfig(checkpoint=str(folder)), tmp_path, print)
    assert cure in refused.value.cure
    assert not refused.value.passing, "it would be tried again for ever"


@pytest.mark.parametrize(("files", "what", "cure"), FOREIGN, ids=NAMES)
def test_a_repository_is_named_before_its_gigabytes_are_fetched(
    tmp_path: Path, endpoint: pytest.MonkeyPatch, files: dict[str, Any], what: str, cure: str
) -> None:
    hub = FakeHub(NAME, tmp_path)
    folder = lay(tmp_path / "it", files)
    paths = [path for path in folder.rglob("*") if path.is_file()]
    hub.files = {str(path.relative_to(folder)): path.read_bytes() for path in paths}
    with serving(hub):
        point_at(endpoint, hub.url)
        with pytest.raises(EngineUnavailable, match=what) as refused:
            find_checkpoint(CsmConfig(checkpoint=NAME), tmp_path / "models", print)
    assert NAME in refused.value.reason
    assert cure in refused.value.cure
    assert not refused.value.passing
    assert all(name.endswith((".json", ".jinja")) for name in hub.fetched)


@pytest.fixture
def lora(tmp_path: Path) -> Path:
    folder = lay(tmp_path / "lora", {"adapter_config.json": LORA})
    save_file({"x": torch.zeros(1)}, folder / "adapter_model.safetensors")
    return folder


def test_an_adapter_of_a_folder_finds_its_base(
    lora: Path, tmp_path: Path, checkpoint: Path, endpoint: pytest.MonkeyPatch
) -> None:
    config = CsmConfig(checkpoint=str(lora))

    def found(base: object) -> Found:
        lay(lora, {"adapter_config.json": LORA | {"base_model_name_or_path": base}})
        return find_checkpoint(config, tmp_path / "models", print)

    assert found(str(checkpoint)) == Found(checkpoint, lora)
    shutil.copytree(checkpoint, tmp_path / "base")
    assert found("../base") == Found(lora / "../base", lora)
    for base, words in (
        ("/home/trainer/csm", "no folder '/home/trainer/csm'"),
        ("C:\\csm", "no folder"),
        (None, "does not say what its base is"),
        (str(lora), "an adapter, too"),
    ):
        with pytest.raises(EngineUnavailable, match=words) as refused:
            found(base)
        assert base == str(lora) or "adapter_config.json" in refused.value.cure
        assert not refused.value.passing


@pytest.mark.parametrize(
    "base", [BASE, "/home/her/.cache/huggingface/hub/models--sesame--csm/snapshots/0123"]
)
def test_an_adapter_of_the_hub_finds_its_base_there(
    lora: Path, tmp_path: Path, checkpoint: Path, endpoint: pytest.MonkeyPatch, base: str
) -> None:
    """One token serves for both."""
    lay(lora, {"adapter_config.json": LORA | {"base_model_name_or_path": base}})
    endpoint.setenv("HF_TOKEN", "secret")
    hub = FakeHub(NAME, lora, token="secret")
    hub.others[BASE] = {path.name: path.read_bytes() for path in checkpoint.iterdir()}
    with serving(hub):
        point_at(endpoint, hub.url)
        folder, adapter = find_checkpoint(CsmConfig(checkpoint=NAME), tmp_path / "models", print)
    assert (folder / "model.safetensors").is_file()
    assert adapter is not None
    assert (adapter / "adapter_model.safetensors").is_file()
    assert hub.tokens == {"secret"}


def test_weights_of_its_own_come_before_an_adapter(
    lora: Path, tmp_path: Path, checkpoint: Path
) -> None:
    """As a training run leaves them that merged its adapter in the end."""
    both = shutil.copytree(checkpoint, tmp_path / "both")
    shutil.copytree(lora, both, dirs_exist_ok=True)
    assert find_checkpoint(CsmConfig(checkpoint=str(both)), tmp_path, print) == Found(both)


def test_a_folder_half_copied_is_said(tmp_path: Path, checkpoint: Path) -> None:
    half = shutil.copytree(checkpoint, tmp_path / "half")
    (half / "model.safetensors").unlink()
    with pytest.raises(EngineUnavailable, match=r"no weights \(model\.safetensors\)"):
        find_checkpoint(CsmConfig(checkpoint=str(half)), tmp_path, print)
    (half / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"config\.json cannot be read"):
        find_checkpoint(CsmConfig(checkpoint=str(half)), tmp_path, print)


def test_there_is_no_token_unless_one_is_given(endpoint: pytest.MonkeyPatch) -> None:
    assert take_token(CsmConfig()) is None
