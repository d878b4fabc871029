"""Folders of voices for tests."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile


def record(path: Path, seconds: float = 1.0, rate: int = 8_000, channels: int = 1) -> None:
    soundfile.write(path, np.zeros((round(seconds * rate), channels)), rate)


def make(folder: Path, name: str = "ann", settings: str | None = None) -> Path:
    voice = folder / name
    voice.mkdir(parents=True)
    record(voice / "clip.wav")
    (voice / "clip.txt").write_text("Hello there.\n")
    if settings is not None:
        (voice / "voice.yaml").write_text(settings)
    return voice


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Let no file be opened by this process, as when too many are open."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
