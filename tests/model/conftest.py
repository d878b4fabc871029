"""One thread makes tiny models several times faster."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks.fixtures.random_csm import make_tiny_csm
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.model.csm import CsmModel


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_csm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of 8 codebooks; nobody changes it."""
    return make_tiny_csm(tmp_path_factory.mktemp("csm") / "tiny", codebooks=8)


@pytest.fixture(scope="session")
def model(tiny_csm: Path) -> CsmModel:
    """Its network in float32; nobody changes it."""
    return Checkpoint(tiny_csm).load(torch.float32, torch.device("cpu"))


@pytest.fixture
def folder(tmp_path: Path, tiny_csm: Path) -> Path:
    """A copy that a test may break."""
    return shutil.copytree(tiny_csm, tmp_path / "checkpoint")
