"""How loud each voice has been, and so what makes them all equally loud."""

import asyncio
import logging
from collections import deque
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec

from wyoming_csm.disk_cache import write_whole
from wyoming_csm.silent_disk import Disk

_LOGGER = logging.getLogger(__name__)
_MOST = 1_000  # voices in the file
_WEIGHT = 32  # sentences: a voice's loudness is about the mean of so many
_WORTH_WRITING = 0.3  # LU
WRITING_SECONDS = 5.0  # for the file: a card may be slow
STRONGEST = 12.0  # dB, louder or softer
_Known = dict[str, tuple[float, int]]  # LUFS, and of how many sentences that is the mean


class Gains:
    """What is known of voices, in a file; lost, it is learnt again."""

    def __init__(self, path: Path | None, target: float) -> None:
        """Read the file, if there is one; the `target` is in LUFS."""
        self._target = target
        self._known = _read(path) if path else {}
        self._written = {voice: loudness for voice, (loudness, _) in self._known.items()}
        self._newest: deque[_Known] = deque(maxlen=1)  # to be written
        # Who writes the file, and how: one after the other.
        self._writer = (
            (Disk(path.parent, WRITING_SECONDS, most=1), partial(self._write, path))
            if path
            else None
        )

    def of(self, voice: str) -> float | None:
        """Return the gain in dB of an `engine/voice`, with its mark (`engines/likeness.py`) if it
        has one; None: it was never measured."""
        return self.needed(self._known[voice][0]) if voice in self._known else None

    def needed(self, loudness: float) -> float:
        """Return the gain in dB for what has this loudness in LUFS."""
        return min(max(self._target - loudness, -STRONGEST), STRONGEST)

    def learn(self, voice: str, loudness: float) -> None:
        """Note how loud a sentence was, in LUFS."""
        mean, count = self._known.pop(voice, (loudness, 0))
        count = min(count + 1, _WEIGHT)
        mean += (loudness - mean) / count
        self._known[voice] = (mean, count)
        while len(self._known) > _MOST:
            oldest = next(iter(self._known))
            del self._known[oldest]
            self._written.pop(oldest, None)
        if self._writer and abs(mean - self._written.get(voice, 0.0)) > _WORTH_WRITING:
            self._written[voice] = mean
            self._newest.append(dict(self._known))
            disk, write = self._writer
            with suppress(TimeoutError):  # silent: the next one writes this, too
                disk.submit(write)

    async def written(self) -> None:
        """Wait until all is in the file, where the disk answers."""
        if self._writer:
            disk, write = self._writer
            with suppress(OSError):
                await asyncio.to_thread(disk.ask, write)

    def _write(self, path: Path) -> None:
        if self._newest:  # else it was newer already when the last one was written
            _write(path, self._newest.pop())


def _read(path: Path) -> _Known:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Known)
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        _LOGGER.warning("%s cannot be used, and is made anew: %s", path, error)
        return {}


def _write(path: Path, known: _Known) -> None:
    try:
        write_whole(path, msgspec.json.encode(known))
    except OSError as error:
        _LOGGER.warning("%s cannot be written, so voices are measured again: %s", path, error)
