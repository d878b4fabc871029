"""The fault switch, on and with nothing to go wrong yet, for all processes that a test starts."""

from pathlib import Path

import pytest

from tests.engines.conftest import make as make
from tests.faults.drill import Drill
from wyoming_csm.faults import VARIABLE


@pytest.fixture
def drill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Drill:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "faults"))
    return Drill(tmp_path / "faults")
