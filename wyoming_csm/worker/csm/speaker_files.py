"""What speakers without a clip said once, in a folder: from then on they sound like it.

This file needs no torch: what people change by hand, or by a command, is changed here.
"""

import logging
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from wyoming_csm.disk_cache import DiskCache, write_whole
from wyoming_csm.errors import ABSENT
from wyoming_csm.silent_disk import Disk

_LOGGER = logging.getLogger(__name__)

_MOST_FILES = 64
_MOST_BYTES = 2**20
_SEED = 20_260  # of every speaker, until it is made anew by `reroll`
_SEED_BITS = 62
LOOK_SECONDS = 0.25  # that a sentence may wait for the disk, once
_STORE_SECONDS = 5.0

Stamp = tuple[int, int, int] | None  # of a file; None: there is none


class Reference(msgspec.Struct, frozen=True):
    """A sentence that a speaker said: its words and codes [frames, codebooks], and the seed that
    made it."""

    text: str
    codes: list[list[int]]
    seed: int = _SEED


class Seen(NamedTuple):
    """What a disk has of a speaker: the seed by which its reference is made, what changes when the
    reference's file does, the reference, if there is one of this seed, and the file's content."""

    seed: int = _SEED
    stamp: Stamp = None
    reference: Reference | None = None
    content: bytes = b""


class SpeakerFiles:
    """One file for each speaker of a checkpoint, written whole; a damaged one is as absent, and
    what a disk cannot tell is as it was seen last."""

    def __init__(self, folder: Path, checkpoint: str, codebooks: int, codebook_size: int) -> None:
        """`checkpoint` tells it from others by what is in it, wherever it is."""
        self._cache = DiskCache(folder, ".json", _MOST_FILES)
        self._checkpoint = checkpoint
        self._codebooks, self._codebook_size = codebooks, codebook_size
        self._seen: dict[int, Seen] = {}
        self._failing: set[int] = set()  # that it was told of

    def seen(self, speaker: int) -> Seen:
        """Return what was seen last, without a look."""
        return self._seen.get(speaker, Seen())

    def look(self, speaker: int) -> Seen:
        """Return what there is of a speaker now; a failure of the disk is logged."""
        return self.looks([speaker])[0]

    def looks(self, speakers: Iterable[int]) -> list[Seen]:
        """Return what there is of several."""
        return [self._look(speaker) for speaker in speakers]

    def store(self, speaker: int, reference: Reference) -> None:
        """Store it, unless another process was quicker, or the speaker has got another seed; a
        failure is logged."""
        now = self._look(speaker)
        if reference.seed == now.seed and now.reference is None:
            for _ in self._cache.write(self.path(speaker), [msgspec.json.encode(reference)]):
                pass

    def path(self, speaker: int) -> Path:
        """Return where a speaker's reference is, if it is there."""
        return self._cache.path(f"{self._checkpoint}-{speaker}")

    def _look(self, speaker: int) -> Seen:
        before = self.seen(speaker)
        try:
            seed, stamp = self._seed(speaker), self._stamp(speaker)
            if (seed, stamp) != before[:2]:
                content = self._content(speaker, stamp)
                found = before.reference
                if (seed, content) != (before.seed, before.content):
                    found = self._load(speaker, seed, content) if content else None
                self._seen[speaker] = Seen(seed, stamp, found, content)
            self._failing.discard(speaker)
        except OSError as error:
            level = logging.DEBUG if speaker in self._failing else logging.WARNING
            _LOGGER.log(level, "speaker_%d goes on sounding as before: %s", speaker, error)
            self._failing.add(speaker)
        return self.seen(speaker)

    def _seed(self, speaker: int) -> int:
        """Raise OSError if it cannot be told."""
        with suppress(*ABSENT, ValueError):
            found = int(_seed_path(self._cache.folder, speaker).read_text())
            return found & ((1 << _SEED_BITS) - 1)
        return _SEED

    def _stamp(self, speaker: int) -> Stamp:
        """Raise OSError if it cannot be told."""
        try:
            found = os.stat(self.path(speaker))
        except ABSENT:
            return None
        return found.st_size, found.st_mtime_ns, found.st_ino

    def _content(self, speaker: int, stamp: Stamp) -> bytes:
        """Raise OSError if it cannot be told."""
        with suppress(*ABSENT):
            if stamp is not None and stamp[0] <= _MOST_BYTES:
                return self.path(speaker).read_bytes()
        return b""

    def _load(self, speaker: int, seed: int, content: bytes) -> Reference | None:
        """Parse it; that it is used is noted, which changes its stamp once more."""
        found = self._cache.read(self.path(speaker), lambda _: self._parse(content))
        return found if found is not None and found.seed == seed else None

    def _parse(self, content: bytes) -> Reference:
        try:
            found = msgspec.json.decode(content, type=Reference)
        except msgspec.DecodeError as error:
            raise ValueError(str(error)) from error
        if not found.codes or any(len(frame) != self._codebooks for frame in found.codes):
            raise ValueError("its frames are not those of this checkpoint")
        if any(not 0 <= code < self._codebook_size for frame in found.codes for code in frame):
            raise ValueError("codes that no codebook has")
        return found


class PatientSpeakerFiles(SpeakerFiles):
    """The same for a thread that a disk must not hold up: it has a moment, and where it does not
    answer, all is as it was seen last. Storing is begun, and not waited for."""

    def __init__(self, folder: Path, checkpoint: str, codebooks: int, codebook_size: int) -> None:
        super().__init__(folder, checkpoint, codebooks, codebook_size)
        self._looking = Disk(folder, LOOK_SECONDS, most=1)
        self._storing = Disk(folder, _STORE_SECONDS, most=1)

    def looks(self, speakers: Iterable[int]) -> list[Seen]:
        speakers = list(speakers)
        with suppress(OSError):
            return self._looking.ask(partial(super().looks, speakers))
        return [self.seen(speaker) for speaker in speakers]

    def store(self, speaker: int, reference: Reference) -> None:
        with suppress(TimeoutError):
            self._storing.submit(super().store, speaker, reference)


def reroll(folder: Path, speaker: int) -> None:
    """Let a speaker get another voice, in all checkpoints: a running server makes it in its next
    quiet moment, and has the old one until then. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(_seed_path(folder, speaker), b"%d\n" % secrets.randbits(_SEED_BITS))
    for made in folder.glob(f"*-{speaker}.json"):
        made.unlink(missing_ok=True)


def _seed_path(folder: Path, speaker: int) -> Path:
    return folder / f"{speaker}.seed"
