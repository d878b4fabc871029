"""The Home Assistant apps, put together once."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def assembled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("apps") / "new"
    command = [
        sys.executable,
        str(ROOT / "script/home-assistant-apps"),
        "--torch",
        "none",
        str(folder),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return folder
