"""Sentences as they were spoken, on disk: their sound is there at once when they come again."""

import asyncio
import hashlib
import json
import logging
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import msgspec

from wyoming_csm.config import CacheConfig
from wyoming_csm.disk_cache import DiskCache
from wyoming_csm.engines.likeness import made_from
from wyoming_csm.recordings import version_of
from wyoming_csm.voices import Voice
from wyoming_csm.worker.protocol import Identified

_LOGGER = logging.getLogger(__name__)

_FORMAT = b"wyoming-csm sentence 1\n"
_LENGTHS = struct.Struct("<III")  # of the mark, the codes and the sound
_DIGEST_BYTES = 32
_MOST_BYTES = 64 * 2**20  # of a file of ours, by far
MOST_WAITING = 8  # to be written: on a disk slower than speech, what is beyond that is not stored


class Wanted(msgspec.Struct, frozen=True):
    """A sentence, and all that its sound depends on.

    `voice` is the engine's own, with its manner; `rate` that which the engine makes; `after` the
    mark of the sentence before in its reply, which it goes on from: "" for the first.
    """

    identity: Identified
    voice: Voice
    rate: float
    text: str
    after: str


class Stored(msgspec.Struct, frozen=True):
    """A sentence as it was spoken: 24 kHz mono s16le, its codes as `protocol.Done` has them, and a
    mark that no other has, also of the same words."""

    mark: str
    sound: bytes
    codes: bytes


class Found(NamedTuple):
    """The keys of all that was wanted (None: it cannot be stored), and the first that is there."""

    keys: tuple[str | None, ...]
    number: int = 0
    stored: Stored | None = None


class SentenceCache:
    """One file for each sentence, in `data_dir/sentences`; several processes may share them.

    Finding and storing take place in threads. A file that is damaged, or not ours, goes; so does
    what was not used for the longest time, once all are larger than configured.
    """

    def __init__(self, data_dir: Path, config: CacheConfig) -> None:
        self.characters = config.characters  # of a reply, from its beginning
        self._files = DiskCache(
            data_dir / "sentences",
            ".sentence",
            most_bytes=config.megabytes * 2**20,
            private=True,  # they tell what was said
        )
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="sentences")
        self._waiting = 0

    async def find(self, wanted: Sequence[Wanted]) -> Found:
        """Look for each, until one is there."""
        return await asyncio.to_thread(self._find, wanted)

    def store(self, wanted: Wanted, key: str, stored: Stored) -> None:
        """Store a sentence that was spoken to its end, before long, under the key that `find` gave
        it; not if what it was made from has changed since."""
        if self._waiting >= MOST_WAITING:
            _LOGGER.debug("The disk is slower than speech: a sentence is not stored")
            return
        self._waiting += 1
        loop = asyncio.get_running_loop()
        writing = loop.run_in_executor(self._writer, self._store, wanted, key, stored)
        writing.add_done_callback(self._written)

    async def close(self) -> None:
        """Wait until all is stored. Nothing can be stored after this."""
        await asyncio.to_thread(self._writer.shutdown)

    def _find(self, wanted: Sequence[Wanted]) -> Found:
        keys = tuple(map(self._key, wanted))
        for number, key in enumerate(keys):
            if key is None or key in keys[:number]:  # as those of replicas are
                continue
            if (stored := self._files.read(self._files.path(key), _load)) is not None:
                return Found(keys, number, stored)
        return Found(keys)

    def _store(self, wanted: Wanted, key: str, stored: Stored) -> None:
        if self._key(wanted) != key:
            return
        path = self._files.path(key)
        for _ in self._files.write(path, _content(path, stored)):
            pass

    def _written(self, writing: "asyncio.Future[None]") -> None:
        self._waiting -= 1
        writing.result()

    def _key(self, wanted: Wanted) -> str | None:
        """Name all that a sentence is made from; None: that is not known."""
        voice = wanted.voice
        if _have_changed(voice) or (found := made_from(wanted.identity, voice)) is None:
            return None
        manner = [voice.manner.temperature, wanted.rate]
        key = [wanted.identity.identity, found, manner, wanted.text, wanted.after]
        return hashlib.sha256(json.dumps(key).encode()).hexdigest()[:40]


def _have_changed(voice: Voice) -> bool:
    """Return whether the voice's clips are not what they were when it was read."""
    try:
        return any(version_of(Path(clip.path)) != clip.version for clip in voice.clips)
    except OSError:
        return True


def _content(path: Path, stored: Stored) -> tuple[bytes, ...]:
    mark = stored.mark.encode()
    lengths = _LENGTHS.pack(len(mark), len(stored.codes), len(stored.sound))
    rest = (lengths, mark, stored.codes, stored.sound)
    return (_FORMAT, _digest(path, *rest), *rest)


def _load(path: Path) -> Stored:
    """Raise OSError, or ValueError if it is damaged or another's."""
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError("it is too large")
    found = memoryview(path.read_bytes())
    begin = len(_FORMAT) + _DIGEST_BYTES
    digest, rest = found[len(_FORMAT) : begin], found[begin:]
    if found[: len(_FORMAT)] != _FORMAT or digest != _digest(path, rest):
        raise ValueError("it is not what was stored here")
    mark, codes, _ = _LENGTHS.unpack_from(rest)
    rest = rest[_LENGTHS.size :]
    return Stored(
        bytes(rest[:mark]).decode(), bytes(rest[mark + codes :]), bytes(rest[mark : mark + codes])
    )


def _digest(path: Path, *parts: bytes | memoryview) -> bytes:
    digest = hashlib.sha256(path.name.encode())
    for part in parts:
        digest.update(part)
    return digest.digest()
