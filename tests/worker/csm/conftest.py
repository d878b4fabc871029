"""A hub with a checkpoint, as sesame/csm-1b is laid out."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fake_hub import FakeHub, point_at, serving

NAME = "somebody/csm"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """As sesame/csm-1b is laid out: the weights three times, one of them for transformers."""
    folder = tmp_path / "repository"
    folder.mkdir()
    index = {"weight_map": {"a": "transformers-1.safetensors", "b": "transformers-2.safetensors"}}
    texts = {
        "config.json": json.dumps(
            {"model_type": "csm", "transformers_weights": "transformers.safetensors.index.json"}
        ),
        "transformers.safetensors.index.json": json.dumps(index),
        "tokenizer.json": "{}",
        "transformers-1.safetensors": "one",
        "transformers-2.safetensors": "two",
        "model.safetensors": "the original layout",
        "ckpt.pt": "pickled",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def hub(repository: Path, endpoint: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with serving(FakeHub(NAME, repository)) as hub:
        point_at(endpoint, hub.url)
        yield hub


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"
