"""torch.compile where it works: what cannot be compiled here runs as it is, with one line why."""

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import torch

from wyoming_csm.model.toolchain import said

_LOGGER = logging.getLogger(__name__)


def runs_compiled(trial: Callable[[], None], folder: Path) -> bool:
    """Whether `trial`, which calls compiled functions for the first time, could compile them.

    What it made is kept in `folder`, which is for one process at a time, or where the user says:
    the next that tries the same starts in seconds. Running out of memory is the caller's to judge.
    """
    # Read whenever something is compiled.
    kept = Path(os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder.absolute())))
    unfinished = folder / "unfinished"
    try:
        if unfinished.exists() and kept == folder.absolute():
            shutil.rmtree(folder)  # a process was killed and may have left half a file
        folder.mkdir(parents=True, exist_ok=True)
        unfinished.touch()
        trial()
        unfinished.unlink()
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # of PyTorch, Triton, a C compiler: each has its own kinds
        inner = getattr(error, "inner_exception", error)  # the outer one only says who raised it
        _LOGGER.warning("torch.compile cannot be used here, it goes on without: %s", said(inner))
        return False
    return True
