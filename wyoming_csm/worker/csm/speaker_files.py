"""What speakers without a clip said once, in a folder: from then on they sound like it.

This file needs no torch: what people change by hand, or by a command, is changed here.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path

import msgspec

from wyoming_csm.disk_cache import DiskCache, write_whole

_MOST_FILES = 64
_MOST_BYTES = 2**20
_SEED = 20_260  # of every speaker, until it is made anew by `reroll`
_SEED_BITS = 62

Stamp = tuple[int, int, int] | None  # of a file; None: there is none


class Reference(msgspec.Struct, frozen=True):
    """A sentence that a speaker said: its words and codes [frames, codebooks], and the seed that
    made it."""

    text: str
    codes: list[list[int]]
    seed: int = _SEED


class SpeakerFiles:
    """One file for each speaker of a checkpoint, written whole; a damaged one is as absent."""

    def __init__(self, folder: Path, checkpoint: str, codebooks: int, codebook_size: int) -> None:
        """`checkpoint` tells it from others by what is in it, wherever it is."""
        self._cache = DiskCache(folder, ".json", _MOST_FILES)
        self._checkpoint = checkpoint
        self._codebooks, self._codebook_size = codebooks, codebook_size

    def stamp(self, speaker: int) -> Stamp:
        """Return what changes when the file does."""
        try:
            found = os.stat(self.path(speaker))
        except OSError:
            return None
        return found.st_size, found.st_mtime_ns, found.st_ino

    def load(self, speaker: int) -> Reference | None:
        """Return what is stored; None if that is nothing, or damaged."""
        found = self._cache.read(self.path(speaker), self._read)
        return found if found is not None and found.seed == self.seed(speaker) else None

    def store(self, speaker: int, reference: Reference) -> None:
        """Store it, unless another process was quicker, or the speaker has got another seed; a
        failure is logged."""
        if reference.seed == self.seed(speaker) and self.load(speaker) is None:
            for _ in self._cache.write(self.path(speaker), [msgspec.json.encode(reference)]):
                pass

    def seed(self, speaker: int) -> int:
        """Return the seed by which a speaker's reference is made."""
        with suppress(OSError, ValueError):
            found = int(_seed_path(self._cache.folder, speaker).read_text())
            return found & ((1 << _SEED_BITS) - 1)
        return _SEED

    def path(self, speaker: int) -> Path:
        """Return where a speaker's reference is, if it is there."""
        return self._cache.path(f"{self._checkpoint}-{speaker}")

    def _read(self, path: Path) -> Reference:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("it is too large")
        try:
            found = msgspec.json.decode(path.read_bytes(), type=Reference)
        except msgspec.DecodeError as error:
            raise ValueError(str(error)) from error
        if not found.codes or any(len(frame) != self._codebooks for frame in found.codes):
            raise ValueError("its frames are not those of this checkpoint")
        if any(not 0 <= code < self._codebook_size for frame in found.codes for code in frame):
            raise ValueError("codes that no codebook has")
        return found


def reroll(folder: Path, speaker: int) -> None:
    """Let a speaker get another voice, in all checkpoints: a running server makes it in its next
    quiet moment, and has the old one until then. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(_seed_path(folder, speaker), b"%d\n" % secrets.randbits(_SEED_BITS))
    for made in folder.glob(f"*-{speaker}.json"):
        made.unlink(missing_ok=True)


def _seed_path(folder: Path, speaker: int) -> Path:
    return folder / f"{speaker}.seed"
