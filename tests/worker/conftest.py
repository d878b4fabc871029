"""A tiny CSM for all, and one thread for who computes with it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.fixtures.random_csm import make_tiny_csm
from tests.worker.csm.runners import one_thread


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 8 codebooks; no test changes it."""
    return make_tiny_csm(tmp_path_factory.mktemp("csm") / "tiny", codebooks=8)


@pytest.fixture
def thread() -> Iterator[None]:
    """Several are slower for a model of this size."""
    with one_thread():
        yield


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """For who asks a hub: no token of this machine, no bars."""
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return monkeypatch
