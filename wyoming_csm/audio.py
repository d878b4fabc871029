"""The one audio format inside: 24 kHz, mono, signed 16-bit little-endian."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wyoming_csm.errors import VoiceError

SAMPLE_RATE = 24_000  # Hz
SAMPLE_WIDTH = 2  # bytes
CHANNELS = 1
SAMPLES_PER_FRAME = 1_920  # 80 ms: one frame of CSM
RECOGNISED_RATE = 16_000  # Hz: what every speech-to-text server takes
BYTES_PER_SECOND = SAMPLE_RATE * SAMPLE_WIDTH
# Of silence, where there is nothing to say: many clients take an empty file for an error.
NOTHING_SECONDS = 0.1

_BLOCK = 65_536  # samples of each channel

Samples = npt.NDArray[np.float32]  # [samples], -1…1


def to_pcm(samples: npt.NDArray[np.floating[Any]]) -> bytes:
    """Turn samples [samples] in -1…1 into s16le; what is louder is clipped, NaN is silence."""
    loud = np.nan_to_num(np.asarray(samples, dtype=np.float32), nan=0.0, posinf=1.0, neginf=-1.0)
    scaled = np.rint(np.clip(loud, -1.0, 1.0) * 32_767)
    return scaled.astype("<i2").tobytes()


def from_pcm(pcm: bytes) -> Samples:
    """Whole s16le samples as floats [samples] in -1…1; the inverse of `to_pcm`."""
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32) / np.float32(32_767)
    return samples.clip(min=-1.0)  # -32768 has no counterpart


def silence(seconds: float) -> bytes:
    """Make `seconds` of silence."""
    return bytes(round(seconds * SAMPLE_RATE) * SAMPLE_WIDTH)


def without_silence(
    samples: Samples, rate: int, quiet: float, lead_seconds: float, end_seconds: float
) -> Samples:
    """Cut [samples] at `rate` Hz to what is louder than `quiet`, and so much around it."""
    (loud,) = np.nonzero(np.abs(samples) > quiet)
    if not len(loud):
        return samples[:0]
    begin = max(0, int(loud[0]) - round(lead_seconds * rate))
    return samples[begin : int(loud[-1]) + round(end_seconds * rate)]


def resample(samples: Samples, rate: int, wanted: int = SAMPLE_RATE) -> Samples:
    """Resample [samples] at `rate` Hz to [samples] at `wanted` Hz."""
    if rate == wanted:
        return samples
    import soxr

    out: Samples = soxr.resample(samples, rate, wanted).astype(np.float32)
    return out


def read_clip(path: Path) -> Samples:
    """Read a recording in any format of soundfile as mono at 24 kHz. Raises VoiceError.

    Its channels are never in memory together: a minute of 8 at 192 kHz is 370 MB, out of a file of
    94 KB.
    """
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            samples, rate = _mono(lambda: _blocks(file), path.name), int(file.samplerate)
    except (OSError, soundfile.LibsndfileError) as error:
        raise VoiceError(
            f"{path.name} is not a recording that can be read ({error}): convert it to WAV"
        ) from error
    return resample(samples, rate)


def _blocks(file: Any) -> Iterator[Samples]:
    """Yield all of it, from its beginning: [samples, channels], some at a time."""
    file.seek(0)
    for _ in range(0, file.frames, _BLOCK):
        yield file.read(_BLOCK, dtype="float32", always_2d=True)


def _mono(blocks: Callable[[], Iterator[Samples]], name: str) -> Samples:
    """Mix [samples, channels]; where the channels cancel each other, take the loudest."""
    parts, power, powers = [], 0.0, np.zeros(1)
    for block in blocks():
        if not np.isfinite(block).all():
            raise VoiceError(f"{name} holds values that are not numbers: convert it again")
        parts.append(block.mean(axis=1))
        power += float(np.square(parts[-1]).sum())
        powers = powers + np.square(block).sum(axis=0)
    if not sum(map(len, parts)):
        raise VoiceError(f"{name} is empty: copy it again")
    if power < 0.01 * powers.max():
        loudest = int(powers.argmax())
        parts = [np.ascontiguousarray(block[:, loudest]) for block in blocks()]
    return np.concatenate(parts)
