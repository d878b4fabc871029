"""Recordings to codes: mended where that is honest, else refused; encoded once, stored on disk."""

import hashlib
import io
import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from wyoming_csm.audio import SAMPLE_RATE, Samples, read_clip
from wyoming_csm.disk_cache import DiskCache
from wyoming_csm.errors import VoiceError
from wyoming_csm.model.mimi.config import read_config
from wyoming_csm.model.mimi.weights import NamedTensors, flat_name, is_encoded_with, load_encoder
from wyoming_csm.voices import Clip

_LOGGER = logging.getLogger(__name__)

MAX_FILES = 256  # the least recently used go; a clip of 60 s takes 48 kB
_RECIPE = "2"  # another number when the same recording should give other codes
_STORED = np.dtype("<i2")
# Small, and any training changes them: enough to tell one codec from another.
_TELLING = re.compile(r"(?:\.bias|\.cluster_usage|\.scale)$")

_WINDOW = SAMPLE_RATE // 50  # 20 ms
_SILENT_DB = -60.0  # speech below full scale: what is softer is a microphone that was off
_ACTIVE_DB = 40.0  # below the loudest: all of a person's speech
_RUN = 3  # windows: what is shorter is the click of a button
_EDGE_SECONDS = 0.3  # of silence that is left at each end
_LEAST_SECONDS = 1.0  # of sound, without the pauses in it
_SHORT_SECONDS = 4.0  # of sound: people who speak for 5 s
_PAUSE_SECONDS = 2.0  # people who read aloud make no longer ones
_STEADY_DB = 6.0  # speech rises and falls by more
_NOISY_DB = 15.0  # from the background to the voice
_TARGET_DB, _SOFTEST_DB, _LOUDEST_DB = -20.0, -30.0, -12.0  # of speech; between: as it is
_PEAK = 0.98
_AMPLIFIED_DB = 20.0  # by more: its noise is heard
_FLAT_TOP, _FLAT_SHARE = 0.9, 0.005  # of the peak, and of the samples: an overdriven microphone

Levels = npt.NDArray[np.float64]  # [windows], dB below full scale
Windows = npt.NDArray[np.intp]  # [sounds], counted from the beginning


class ClipEncoder:
    """Encodes with a checkpoint's codec: its `codec_config` and its tensors, read when needed."""

    def __init__(
        self,
        config: Mapping[str, Any],
        tensors: Callable[[], NamedTensors],
        codebooks: int,
        folder: Path,
    ) -> None:
        """Store codes in `folder`. Raises CheckpointError for a codec that cannot serve."""
        sizes = read_config(config, codebooks)
        self._config, self._tensors = config, tensors
        self._cache = DiskCache(folder, ".npy", MAX_FILES)
        self._codebooks, self._codebook_size = codebooks, sizes.codebook_size
        self._samples_per_frame = sizes.samples_per_frame
        self._codec = self._identity()

    def encode_clip(self, clip: Clip) -> Tensor:
        """Return the codes of a voice's recording. Raises VoiceError, CheckpointError."""
        mended = mend(read_clip(Path(clip.path)))
        for level, what in ((logging.INFO, mended.changes), (logging.WARNING, mended.doubts)):
            if what:
                _LOGGER.log(level, "The clip %s: %s", clip.path, "; ".join(what))
        return self.encode(mended.samples)

    def encode(self, samples: Samples) -> Tensor:
        """Turn [samples] at 24 kHz into codes [frames, codebooks], int64; a begun frame counts.

        Takes seconds when the recording is new, then milliseconds. Raises CheckpointError.
        """
        frames = -(-len(samples) // self._samples_per_frame)
        key = hashlib.sha256(self._codec + np.ascontiguousarray(samples, dtype="<f4").tobytes())
        path = self._cache.path(key.hexdigest())
        found = self._cache.read(path, lambda path: self._read(path, frames))
        if found is None:
            # Its weights are gone after this: reading them takes a tenth of a second, holding them
            # 225 MB, and a voice needs them once.
            encoder = load_encoder(self._config, self._tensors(), self._codebooks)
            found = encoder.encode(torch.from_numpy(np.array(samples, dtype=np.float32)))
            content = io.BytesIO()
            np.save(content, found.numpy().astype(_STORED))
            for _ in self._cache.write(path, [content.getbuffer()]):
                pass
        return found

    def _identity(self) -> bytes:
        """Digest what the codes depend on beside the recording."""
        digest = hashlib.sha256(f"{_RECIPE} {self._codebooks}".encode())
        digest.update(json.dumps(dict(self._config), sort_keys=True, default=str).encode())
        for name, read in sorted(self._tensors(), key=lambda item: flat_name(item[0])):
            if _TELLING.search(name) and is_encoded_with(name):
                digest.update(read().float().numpy().tobytes())
        return digest.digest()

    def _read(self, path: Path, frames: int) -> Tensor:
        # mapped, so that a false header cannot make us reserve memory
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
        if stored.dtype != _STORED:
            raise ValueError(f"type {stored.dtype}")
        codes = torch.from_numpy(stored.astype(np.int64))
        if codes.shape != (frames, self._codebooks):
            raise ValueError(f"shape {list(codes.shape)}, not {[frames, self._codebooks]}")
        if not ((codes >= 0) & (codes < self._codebook_size)).all():
            raise ValueError("codes that no codebook has")
        return codes


@dataclass(frozen=True)
class Mended:
    """A mended recording, [samples] at 24 kHz: what was changed, and what no change could mend."""

    samples: Samples
    changes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def mend(samples: Samples) -> Mended:
    """Take away a recording's offset and the silence at its edges, and bring it to a usual level.

    [samples] at 24 kHz, of any level. Raises VoiceError if nothing, or too little, is heard in it.
    """
    samples = samples - samples.mean()
    begins, ends = _sounds(_levels(samples))
    seconds = float((ends - begins).sum()) * _WINDOW / SAMPLE_RATE
    if seconds < _LEAST_SECONDS:
        raise VoiceError(f"only {seconds:.1f} s of it are sound: 10 to 30 s of speech serve best")
    edge = round(_EDGE_SECONDS * SAMPLE_RATE)
    start, end = max(0, int(begins[0]) * _WINDOW - edge), int(ends[-1]) * _WINDOW + edge
    part = samples[start:end]
    pause = float((begins[1:] - ends[:-1]).max(initial=0)) * _WINDOW / SAMPLE_RATE
    changes, doubts = [], _doubts(part, seconds, pause)
    if (cut := (len(samples) - len(part)) / SAMPLE_RATE) > 2 * _EDGE_SECONDS:
        changes.append(f"{cut:.1f} s of silence at its edges left out")
    level = _voice(_levels(part))
    if not _SOFTEST_DB <= level <= _LOUDEST_DB:
        most = 20 * np.log10(_PEAK / np.abs(part).max())
        gain = min(_TARGET_DB - level, most)
        part = part * np.float32(10 ** (gain / 20))
        changes.append(f"{abs(gain):.0f} dB {'louder' if gain > 0 else 'softer'}")
        if gain > _AMPLIFIED_DB:
            doubts.append("it is very soft: what the microphone hummed is made louder, too")
    return Mended(np.ascontiguousarray(part, np.float32), tuple(changes), tuple(doubts))


def _doubts(samples: Samples, seconds: float, pause: float) -> list[str]:
    """Say what people would hear in the voice, given its seconds of sound and its longest pause."""
    found = []
    if seconds < _SHORT_SECONDS:
        found.append(f"it is short ({seconds:.1f} s of sound): 10 to 30 s of speech serve best")
    if pause > _PAUSE_SECONDS:
        found.append(f"it has a pause of {pause:.1f} s: cut it out, or the voice may pause, too")
    levels, size = _levels(samples), np.abs(samples)
    rise = _voice(levels) - float(np.percentile(levels, 10))
    if rise < _STEADY_DB:
        found.append("it sounds like steady noise, not like speech")
    elif (size > _FLAT_TOP * size.max()).mean() > _FLAT_SHARE:
        found.append("it is overdriven: record it again, softer or from farther away")
    elif rise < _NOISY_DB:
        found.append(f"it is noisy: the voice is only {rise:.0f} dB above all else")
    return found


def _sounds(levels: Levels) -> tuple[Windows, Windows]:
    """Find the first window of each sound, and the one after its last. Raises VoiceError."""
    voice = _voice(levels)
    if voice < _SILENT_DB:
        raise VoiceError("nothing is heard in it")
    background = float(np.percentile(levels, 10))
    least = min(max(background + 6.0, voice - 40.0), voice - 20.0)
    sounds = np.concatenate(([False], levels >= least, [False]))
    begins = np.flatnonzero(sounds[1:] & ~sounds[:-1])
    ends = np.flatnonzero(~sounds[1:] & sounds[:-1])
    long = ends - begins >= _RUN
    if not long.any():
        raise VoiceError("nothing but clicks is heard in it")
    return begins[long], ends[long]


def _levels(samples: Samples) -> Levels:
    """Measure windows of 20 ms; the last is filled up with silence."""
    whole = np.pad(samples.astype(np.float64), (0, -len(samples) % _WINDOW))
    power = np.square(whole).reshape(-1, _WINDOW).mean(axis=1)
    levels: Levels = 10 * np.log10(np.maximum(power, 1e-12))
    return levels


def _voice(levels: Levels) -> float:
    """Return the level of what is loud, however much silence is around it."""
    active = levels[levels >= levels.max() - _ACTIVE_DB]
    return float(np.percentile(active, 75))
