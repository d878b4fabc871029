"""Recordings to codes: encoded with transformers' Mimi, once, then kept on disk."""

import hashlib
import json
import logging
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from wyoming_csm.audio import Samples, read_clip
from wyoming_csm.errors import CheckpointError
from wyoming_csm.model.mimi.config import read_config
from wyoming_csm.model.mimi.weights import NamedTensors, flat_name
from wyoming_csm.voices import Clip
from wyoming_csm.worker.clip_sound import mend

_LOGGER = logging.getLogger(__name__)

MAX_FILES = 256  # the least recently used go; a clip of 60 s takes 48 kB
_RECIPE = "1"  # another number when the same recording should give other codes
_STORED = np.dtype("<i2")
_WINDOW_FRAMES = 125  # 10 s
_NOT_ENCODED = re.compile(
    r"^(?:decoder|decoder_transformer|upsample)\.|\.output_proj\.weight$|\.rotary_emb\.inv_freq$"
)
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
    ) -> None:
        """`folder` keeps the codes. Raises CheckpointError."""
        sizes = read_config(config)
        if codebooks > sizes.num_quantizers:
            raise CheckpointError(
                f"the codec has {sizes.num_quantizers} codebooks, the model asks for {codebooks}"
            )
        self._config, self._tensors, self._folder = config, tensors, folder
        self._codebooks, self._codebook_size = codebooks, sizes.codebook_size
        self._samples_per_frame = sizes.samples_per_frame
        self._codec = self._identity()

    def encode_clip(self, clip: Clip) -> Tensor:
        """The codes of a voice's recording. Raises VoiceError, CheckpointError."""
        mended = mend(read_clip(Path(clip.path)))
        for level, what in ((logging.INFO, mended.changes), (logging.WARNING, mended.doubts)):
            if what:
                _LOGGER.log(level, "The clip %s: %s", clip.path, "; ".join(what))
        return self.encode(mended.samples)

    def encode(self, samples: Samples) -> Tensor:
        """[samples] at 24 kHz → codes [frames, codebooks], int64; a begun frame counts as one.

        Takes seconds when the recording is new, then milliseconds. Raises CheckpointError.
        """
        frames = -(-len(samples) // self._samples_per_frame)
        key = hashlib.sha256(self._codec + np.ascontiguousarray(samples, dtype="<f4").tobytes())
        path = self._folder / f"{key.hexdigest()}.npy"
        found = self._kept(path, frames)
        if found is None:
            found = self._encode(samples)
            self._check(found, frames)
            self._keep(path, found)
        return found

    def _identity(self) -> bytes:
        """What the codes depend on beside the recording."""
        digest = hashlib.sha256(f"{_RECIPE} {self._codebooks}".encode())
        digest.update(json.dumps(dict(self._config), sort_keys=True, default=str).encode())
        for name, read in sorted(self._tensors(), key=lambda item: flat_name(item[0])):
            if _TELLING.search(name) and not _NOT_ENCODED.search(flat_name(name)):
                digest.update(read().float().numpy().tobytes())
        return digest.digest()

    def _kept(self, path: Path, frames: int) -> Tensor | None:
        """Codes kept earlier; None if there are none, or the file is not what we wrote."""
        try:
            # mapped, so that a false header cannot make us reserve memory
            stored = np.load(path, mmap_mode="r", allow_pickle=False)
            if stored.dtype != _STORED:
                raise ValueError(f"type {stored.dtype}")
            codes = torch.from_numpy(stored.astype(np.int64))
            self._check(codes, frames)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, EOFError, CheckpointError) as error:
            _LOGGER.warning("%s is damaged and made anew: %s", path, error)
            return None
        with suppress(OSError):  # in a folder that is only to be read none goes
            path.touch()
        return codes

    def _keep(self, path: Path, codes: Tensor) -> None:
        """Written whole or not at all; without disk the clip is encoded again next time."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(suffix=".tmp", dir=self._folder)
            try:
                with open(handle, "wb") as file:
                    np.save(file, codes.numpy().astype(_STORED))
                os.replace(temporary, path)
            except OSError:
                os.unlink(temporary)
                raise
            files = sorted(self._folder.iterdir(), key=lambda p: p.stat().st_mtime_ns)
            for old in files[:-MAX_FILES]:
                old.unlink(missing_ok=True)
        except OSError as error:
            _LOGGER.warning("The codes of a clip could not be kept: %s", error)

    def _check(self, codes: Tensor, frames: int) -> None:
        if codes.shape != (frames, self._codebooks):
            raise CheckpointError(
                f"codes of shape {list(codes.shape)}, not {[frames, self._codebooks]}"
            )
        if not ((codes >= 0) & (codes < self._codebook_size)).all():
            raise CheckpointError("codes that no codebook has")

    def _encode(self, samples: Samples) -> Tensor:
        """With transformers' model, on the CPU in single precision, gone when this returns.

        A long recording goes in windows, which takes half the time and bounds the memory; its
        last frame is filled up with silence. The codes are the same but for rounding.
        """
        model = self._load()
        sound = torch.from_numpy(np.array(samples, dtype=np.float32))[None, None]
        window = _WINDOW_FRAMES * self._samples_per_frame
        if len(samples) > window:
            sound = pad(sound, (0, -len(samples) % self._samples_per_frame))
        made: list[Tensor] = []
        past: dict[str, Any] = {"use_streaming": len(samples) > window}
        with torch.inference_mode():
            for start in range(0, sound.shape[-1], window):
                piece = sound[..., start : start + window]
                found = model.encode(piece, num_quantizers=self._codebooks, **past)
                made.append(found.audio_codes)  # [1, codebooks, frames]
                for name in ("encoder_past_key_values", "padding_cache"):
                    past[name] = getattr(found, name)
        return torch.cat(made, dim=-1)[0].T.to(torch.int64).clone()

    def _load(self) -> Any:
        from transformers import MimiConfig, MimiModel

        model: Any = MimiModel(MimiConfig.from_dict(dict(self._config)))
        model.eval()
        missing = {flat_name(name): tensor for name, tensor in model.state_dict().items()}
        missing = {n: t for n, t in missing.items() if not _NOT_ENCODED.search(n)}
        for name, read in self._tensors():
            flat = flat_name(name)
            if _NOT_ENCODED.search(flat):
                continue
            target, values = missing.pop(flat, None), read()
            if target is None or target.shape != values.shape:
                raise CheckpointError(f"codec_model.{name}: unknown, twice, or of another shape")
            target.copy_(values)
        if missing:
            raise CheckpointError(
                f"codec_model.{min(missing)} and {len(missing) - 1} more are missing"
            )
        return model
