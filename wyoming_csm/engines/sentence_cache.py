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

from wyoming_csm.config import CacheConfig
from wyoming_csm.disk_cache import DiskCache
from wyoming_csm.recordings import version_of
from wyoming_csm.voices import Voice
from wyoming_csm.worker.csm.speaker_files import reference_path
from wyoming_csm.worker.protocol import Identified

_LOGGER = logging.getLogger(__name__)

_FORMAT = b"wyoming-csm sentence 1\n"
_LENGTHS = struct.Struct("<III")  # of the mark, the codes and the sound
_DIGEST_BYTES = 32
MOST_WAITING = 8  # to be written: on a disk slower than speech, what is beyond that is not stored


class Wanted(NamedTuple):
    """All that the sound of a sentence depends on.

    `voice` is the engine's own, with its manner; `after` the mark of the sentence before in its
    reply, which it goes on from: "" for the first.
    """

    identity: Identified
    voice: Voice
    text: str
    after: str


class Stored(NamedTuple):
    """A sentence as it was spoken: 24 kHz mono s16le, its codes as `protocol.Done` has them, and a
    mark that no other has, also of the same words."""

    mark: str
    sound: bytes
    codes: bytes


class SentenceCache:
    """One file for each sentence, in `data_dir/sentences`; several processes may share them.

    Finding and storing take place in threads. A file that is damaged, or not ours, goes; so does
    what was not used for the longest time, once all are larger than configured.
    """

    def __init__(self, data_dir: Path, config: CacheConfig) -> None:
        self._data_dir = data_dir
        self.characters = config.characters  # of a reply, from its beginning
        self._files = DiskCache(
            data_dir / "sentences", ".sentence", most_bytes=config.megabytes * 2**20
        )
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="sentences")
        self._waiting = 0

    async def find(self, wanted: Sequence[Wanted]) -> tuple[int, Stored] | None:
        """Return the first of these that is stored, with its number."""
        return await asyncio.to_thread(self._find, wanted)

    def store(self, wanted: Wanted, stored: Stored) -> None:
        """Store a sentence that was spoken to its end, before long, unless what it was made from
        has changed meanwhile."""
        if self._waiting >= MOST_WAITING:
            _LOGGER.debug("The disk is slower than speech: a sentence is not stored")
            return
        self._waiting += 1
        loop = asyncio.get_running_loop()
        loop.run_in_executor(self._writer, self._store, wanted, self._path(wanted), stored)

    async def close(self) -> None:
        """Wait until all is stored. Nothing can be stored after this."""
        await asyncio.to_thread(self._writer.shutdown)
