"""How loud each voice has been, and so what makes them all equally loud."""

import asyncio
import logging
import os
from pathlib import Path

import msgspec

_LOGGER = logging.getLogger(__name__)
_MOST = 1_000  # voices in the file
_WEIGHT = 32  # sentences: a voice's loudness is about the mean of so many
_WORTH_WRITING = 0.3  # LU
STRONGEST = 12.0  # dB, louder or softer
_Known = dict[str, tuple[float, int]]  # LUFS, and of how many sentences that is the mean


class Gains:
    """What is known of voices, in a file; lost, it is learnt again."""

    def __init__(self, path: Path | None, target: float) -> None:
        """Read the file, if there is one; the `target` is in LUFS."""
        self._path = path
        self._target = target
        self._known = _read(path) if path else {}
        self._written = {voice: loudness for voice, (loudness, _) in self._known.items()}

    def of(self, voice: str) -> float | None:
        """Return the gain of an `engine/voice` in dB; None: it was never measured."""
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
            del self._known[next(iter(self._known))]
        if self._path and abs(mean - self._written.get(voice, 0.0)) > _WORTH_WRITING:
            self._written[voice] = mean
            known = dict(self._known)
            asyncio.get_running_loop().run_in_executor(None, _write, self._path, known)


def _read(path: Path) -> _Known:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Known)
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        _LOGGER.warning("%s cannot be used, and is made anew: %s", path, error)
        return {}


def _write(path: Path, known: _Known) -> None:
    new = path.with_suffix(f".{os.getpid()}")
    try:
        new.write_bytes(msgspec.json.encode(known))
        os.replace(new, path)
    except OSError as error:
        _LOGGER.warning("%s cannot be written, so voices are measured again: %s", path, error)
