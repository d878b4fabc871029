"""Where compilers keep what they made: in the data folder, unless the user says where."""

import os
from pathlib import Path

_INDUCTOR, _TRITON = "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"


def compiled_folder(data_dir: Path, device: str) -> Path:
    """Each device's own: its process may have to empty it. `device` as in csm.device."""
    name = "cuda:0" if device in ("auto", "cuda") else device
    return data_dir / "compiled" / name.replace(":", "-")


def keep_compiled(data_dir: Path, device: str) -> None:
    """To be called before torch is imported: in a container nothing else outlives a restart."""
    folder = compiled_folder(data_dir, device).absolute()
    os.environ.setdefault(_INDUCTOR, str(folder))
    os.environ.setdefault(_TRITON, str(folder / "triton"))
