"""The fault switch, on and with nothing to go wrong yet, for all processes that a test starts."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engines.conftest import make as make
from tests.faults.drill import Drill
from wyoming_csm.faults import VARIABLE


@pytest.fixture
async def drill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Drill]:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "faults"))
    yield Drill(tmp_path / "faults")
