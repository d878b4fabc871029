"""A recording as CSM should have it: mended where that is honest, doubted where no change helps."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from wyoming_csm.audio import SAMPLE_RATE, Samples, read_clip
from wyoming_csm.errors import VoiceError
from wyoming_csm.sound.loudness import Meter

CLIP_LUFS = -23.0  # of broadcasts (EBU R 128)

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
_PEAK = 0.98
_WORTH_SAYING_DB = 1.0
_AMPLIFIED_DB = 20.0  # by more: its noise is heard
_FLAT_TOP, _FLAT_SHARE = 0.9, 0.005  # of the peak, and of the samples: an overdriven microphone

Levels = npt.NDArray[np.float64]  # [windows], dB below full scale
Windows = npt.NDArray[np.intp]  # [sounds], counted from the beginning


@dataclass(frozen=True)
class Mended:
    """A mended recording, [samples] at 24 kHz: what was changed, and what no change could mend."""

    samples: Samples
    changes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def mend_file(path: Path, loudness: float | None = CLIP_LUFS) -> Mended:
    """Read a recording and mend it. Raises VoiceError, with the file's name."""
    samples = read_clip(path)
    try:
        return mend(samples, loudness)
    except VoiceError as error:
        raise VoiceError(f"{path.name}: {error}") from error


def mend(samples: Samples, loudness: float | None = CLIP_LUFS) -> Mended:
    """Take away a recording's offset and the silence at its edges, and give it this `loudness`.

    [samples] at 24 kHz, of any level; LUFS, None: as loud as it is. Raises VoiceError if nothing,
    or too little, is heard in it.
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
    gain = _gain(part, loudness)
    part = part * np.float32(10 ** (gain / 20))
    if abs(gain) >= _WORTH_SAYING_DB:
        changes.append(f"{abs(gain):.0f} dB {'louder' if gain > 0 else 'softer'}")
    if gain > _AMPLIFIED_DB:
        doubts.append(
            "it is very soft: what the microphone hummed is made louder, too; record it from nearer"
        )
    return Mended(np.ascontiguousarray(part, np.float32), tuple(changes), tuple(doubts))


def _gain(samples: Samples, loudness: float | None) -> float:
    """Return what gives them this loudness, in dB; less where it would clip them."""
    meter = Meter()
    meter.feed(samples)
    if loudness is None or (found := meter.loudness) is None:
        return 0.0
    return min(loudness - found, float(20 * np.log10(_PEAK / np.abs(samples).max())))


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
        found.append("it sounds like steady noise, not like speech: record one person alone")
    elif (size > _FLAT_TOP * size.max()).mean() > _FLAT_SHARE:
        found.append("it is overdriven: record it again, softer or from farther away")
    elif rise < _NOISY_DB:
        found.append(
            f"it is noisy: the voice is only {rise:.0f} dB above all else; choose a quiet room"
        )
    return found


def _sounds(levels: Levels) -> tuple[Windows, Windows]:
    """Find the first window of each sound, and the one after its last. Raises VoiceError."""
    voice = _voice(levels)
    if voice < _SILENT_DB:
        raise VoiceError("nothing is heard in it: record it again, with the microphone on")
    background = float(np.percentile(levels, 10))
    least = min(max(background + 6.0, voice - 40.0), voice - 20.0)
    sounds = np.concatenate(([False], levels >= least, [False]))
    begins = np.flatnonzero(sounds[1:] & ~sounds[:-1])
    ends = np.flatnonzero(~sounds[1:] & sounds[:-1])
    long = ends - begins >= _RUN
    if not long.any():
        raise VoiceError("nothing but clicks is heard in it: record 10 to 30 s of speech")
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
