"""Recordings to codes: mended, encoded once, stored on disk."""

import hashlib
import io
import json
import logging
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wyoming_csm.audio import Samples
from wyoming_csm.disk_cache import DiskCache
from wyoming_csm.mending import CLIP_LUFS, mend_file
from wyoming_csm.model.mimi.config import read_config
from wyoming_csm.model.mimi.weights import NamedTensors, flat_name, is_encoded_with, load_encoder
from wyoming_csm.silent_disk import Disk
from wyoming_csm.voices import Clip

_LOGGER = logging.getLogger(__name__)

READ_SECONDS = 10.0  # for a recording
MAX_FILES = 256  # the least recently used go; a clip of 60 s takes 48 kB
_RECIPE = "2"  # another number when the same recording should give other codes
_STORED = np.dtype("<i2")
# Small, and any training changes them: enough to tell one codec from another.
_TELLING = re.compile(r"(?:\.bias|\.cluster_usage|\.scale)$")


class ClipEncoder:
    """Encodes with a checkpoint's codec: its `codec_config` and its tensors, read when needed."""

    def __init__(
        self,
        config: Mapping[str, Any],
        tensors: Callable[[], NamedTensors],
        codebooks: int,
        folder: Path,
        loudness: float | None = CLIP_LUFS,
    ) -> None:
        """Store codes in `folder`; `loudness` is that of all clips, in LUFS (None: as they are).

        Raises CheckpointError for a codec that cannot serve.
        """
        sizes = read_config(config, codebooks)
        self._config, self._tensors = config, tensors
        self._cache = DiskCache(folder, ".npy", MAX_FILES)
        self._codebooks, self._codebook_size = codebooks, sizes.codebook_size
        self._samples_per_frame = sizes.samples_per_frame
        self._loudness = loudness
        self._codec = self._identity()
        self._disks: dict[Path, Disk] = {}  # by the folder of voices

    def encode_clip(self, clip: Clip) -> Tensor:
        """Return the codes of a voice's recording. Raises VoiceError, CheckpointError; TimeoutError
        where its disk does not answer."""
        path = Path(clip.path)
        folder = path.parent.parent
        disk = self._disks.setdefault(folder, Disk(folder, READ_SECONDS, most=1))
        mended = disk.ask(partial(mend_file, path, self._loudness))
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
