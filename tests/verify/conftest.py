"""Tiny checkpoints in both layouts of the codec's names."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from tests.tiny_csm import edit_config, make_tiny_csm
from tests.worker.csm.runners import one_thread
from wyoming_csm.model.checkpoint.load import CODEC
from wyoming_csm.model.mimi.weights import flat_name

_INDEX = "transformers.safetensors.index.json"


@pytest.fixture(autouse=True)
def thread() -> Iterator[None]:
    """Several are slower for models of this size."""
    with one_thread():
        yield


@pytest.fixture(scope="session")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The names that transformers writes; no test changes it."""
    return make_tiny_csm(tmp_path_factory.mktemp("verify") / "flat", codebooks=8)


@pytest.fixture(scope="session")
def nested(tmp_path_factory: pytest.TempPathFactory, flat: Path) -> Path:
    """The codec's names as its modules have them since 5.21, and an index as the hub has it."""
    folder = shutil.copytree(flat, tmp_path_factory.mktemp("verify") / "nested")
    tensors = load_file(folder / "model.safetensors")
    tensors = {since_5_21(name): tensor for name, tensor in tensors.items()}
    assert "codec_model.decoder.upsample.conv.weight" in tensors
    names = sorted(tensors)
    parts = {"transformers-1.safetensors": names[::2], "transformers-2.safetensors": names[1::2]}
    for file, held in parts.items():
        save_file({name: tensors[name] for name in held}, folder / file)
    index = {name: file for file, held in parts.items() for name in held}
    (folder / _INDEX).write_text(json.dumps({"metadata": {}, "weight_map": index}))
    (folder / "model.safetensors").write_bytes(b"another layout")
    edit_config(folder, lambda config: config.update(transformers_weights=_INDEX))
    return folder


def since_5_21(name: str) -> str:
    """A flat name of a checkpoint as transformers' modules have been called since 5.21."""
    inner = name.removeprefix(CODEC)
    if inner == name:
        return name
    half, _, rest = inner.partition(".")
    match half:
        case "encoder" | "decoder":
            new = f"{half}.{half}_seanet.{rest}"
        case "encoder_transformer" | "downsample":
            new = f"encoder.{inner}"
        case "decoder_transformer" | "upsample":
            new = f"decoder.{inner}"
        case _:
            new = inner
    assert flat_name(new) == inner
    return CODEC + new
