"""Sentences as they were spoken, on disk: their sound is there at once when they come again."""

import asyncio
import hashlib
import json
import logging
import struct
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from wyoming_csm.config import CacheConfig
from wyoming_csm.disk_cache import DiskCache
from wyoming_csm.engines.likeness import folder_of, made_from
from wyoming_csm.engines.looks import Looks, asked
from wyoming_csm.recordings import version_of
from wyoming_csm.silent_disk import Disk
from wyoming_csm.voices import Voice
from wyoming_csm.worker.protocol import Identified

_LOGGER = logging.getLogger(__name__)

_FORMAT = b"wyoming-csm sentence 1\n"
_LENGTHS = struct.Struct("<III")  # of the mark, the codes and the sound
_DIGEST_BYTES = 32
_MOST_BYTES = 64 * 2**20  # of a file of ours, by far
_WRITING_SECONDS = 5.0  # for one file: a card may be slow
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

    Finding and storing take place in threads; where a disk does not answer, nothing is found, and
    nothing stored. A file that is damaged, or not ours, goes; so does what was not used for the
    longest time, once all are larger than configured.
    """

    def __init__(self, data_dir: Path, config: CacheConfig, looks: Looks | None = None) -> None:
        self.characters = config.characters  # of a reply, from its beginning
        self._files = DiskCache(
            data_dir / "sentences",
            ".sentence",
            most_bytes=config.megabytes * 2**20,
            private=True,  # they tell what was said
        )
        self._looks = looks or Looks()
        self._writer = Disk(self._files.folder, _WRITING_SECONDS, most=1)
        self._storing: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()  # one after the other

    async def find(self, wanted: Sequence[Wanted]) -> Found:
        """Look for each, until one is there."""
        keys = await self._keys(wanted)
        with suppress(OSError):
            return await self._looks.ask(self._files.folder, partial(self._find, keys))
        return Found(keys)

    def store(self, wanted: Wanted, key: str, stored: Stored) -> None:
        """Store a sentence that was spoken to its end, before long, under the key that `find` gave
        it; not if what it was made from has changed since."""
        if len(self._storing) >= MOST_WAITING:
            _LOGGER.debug("The disk is slower than speech: a sentence is not stored")
            return
        task = asyncio.get_running_loop().create_task(self._store(wanted, key, stored))
        self._storing.add(task)
        task.add_done_callback(self._storing.discard)

    async def close(self) -> None:
        """Wait until all is stored that a disk takes."""
        await asyncio.gather(*self._storing)

    def _find(self, keys: Sequence[str | None]) -> Found:
        for number, key in enumerate(keys):
            if key is None or key in keys[:number]:  # as those of replicas are
                continue
            if (stored := self._files.read(self._files.path(key), _load)) is not None:
                return Found(tuple(keys), number, stored)
        return Found(tuple(keys))

    async def _store(self, wanted: Wanted, key: str, stored: Stored) -> None:
        path = self._files.path(key)
        async with self._turn:
            with suppress(OSError):
                if await self._keys([wanted]) == (key,):
                    await asked(self._writer, partial(self._write, path, stored))

    def _write(self, path: Path, stored: Stored) -> None:
        for _ in self._files.write(path, _content(path, stored)):
            pass

    async def _keys(self, wanted: Sequence[Wanted]) -> tuple[str | None, ...]:
        """Name all that each sentence is made from; None: that is not known."""
        folders = [folder_of(one.identity, one.voice) for one in wanted]
        asks = next((folder for folder in folders if folder is not None), None)
        with suppress(OSError):
            if asks is not None:
                return await self._looks.ask(asks, lambda: tuple(map(_key, wanted)))
        return tuple(
            _key(one) if folder is None else None
            for one, folder in zip(wanted, folders, strict=True)
        )


def _key(wanted: Wanted) -> str | None:
    voice = wanted.voice
    try:
        if any(version_of(Path(clip.path)) != clip.version for clip in voice.clips):
            return None  # they are not what they were when the voice was read
        if (found := made_from(wanted.identity, voice)) is None:
            return None
    except OSError:
        return None
    manner = [voice.manner.temperature, wanted.rate]
    key = [wanted.identity.identity, found, manner, wanted.text, wanted.after]
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()[:40]


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
