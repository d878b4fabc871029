"""What compilers make is kept in the data folder, said before torch is imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from wyoming_csm.worker.caches import compiled_folder

# Torch is never really imported: what asks for it is told of, and that is the end.
_CHILD = """
import os, sys
from wyoming_csm.worker.__main__ import run
from wyoming_csm.worker.protocol import Configure

class Told:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print(os.environ["TORCHINDUCTOR_CACHE_DIR"], os.environ["TRITON_CACHE_DIR"], flush=True)
            os._exit(0)

sys.meta_path.insert(0, Told())
run(None, Configure("csm", {"device": sys.argv[1]}, "data", "models"))
"""


def told(folder: Path, device: str, **own: str) -> list[str]:
    """The two folders as they are when torch is about to be imported."""
    names = ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")
    kept = {name: value for name, value in os.environ.items() if name not in names}
    root = str(Path(__file__).parents[2])
    said = subprocess.run(
        [sys.executable, "-c", _CHILD, device],
        check=True,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**kept, "PYTHONPATH": root, **own},
    ).stdout
    return said.split()


@pytest.mark.parametrize(("device", "name"), [("auto", "cuda-0"), ("cuda:1", "cuda-1")])
def test_both_compilers_keep_what_they_made_in_the_data_folder(
    tmp_path: Path, device: str, name: str
) -> None:
    folder = tmp_path / "data" / "compiled" / name
    assert told(tmp_path, device) == [str(folder), str(folder / "triton")]
    assert compiled_folder(tmp_path / "data", device) == folder


def test_what_the_user_says_stays(tmp_path: Path) -> None:
    own = {"TORCHINDUCTOR_CACHE_DIR": "/a", "TRITON_CACHE_DIR": "/b"}
    assert told(tmp_path, "auto", **own) == ["/a", "/b"]
