"""Hostile headers of safetensors: lengths that lie, overlapping offsets, types that are none."""

from pathlib import Path

import pytest
import torch

from tests.fuzz.checkpoints import HEADERS
from wyoming_csm.errors import CheckpointError
from wyoming_csm.model.checkpoint.load import Checkpoint


@pytest.mark.parametrize("content", HEADERS, ids=range(len(HEADERS)))
def test_it_is_refused(folder: Path, content: bytes) -> None:
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError):
        Checkpoint(folder).load(torch.float32, torch.device("cpu"))
