"""The fault switch, on and with nothing to go wrong yet, for all processes that a test starts."""

from pathlib import Path

import pytest

from benchmarks.balanced import Replica
from benchmarks.replicas import configuration
from tests.engines.conftest import make as make
from tests.faults.drill import Drill
from wyoming_csm.faults import VARIABLE


@pytest.fixture
def drill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Drill:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "faults"))
    return Drill(tmp_path / "faults")


@pytest.fixture
def replicas(tmp_path: Path) -> list[Replica]:
    """Two that are not started."""
    return [Replica(name, configuration(tmp_path / name, "fake"), None) for name in "ab"]
