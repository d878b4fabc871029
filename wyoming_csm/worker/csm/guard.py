"""Judges a sentence frame by frame: good, suspicious, or gone bad, and why.

CSM is a language model: now and then it does not end, says the same again and again, falls silent
or hums. Rules look at the sound, by default; those about codes are for who has heard that they are
right about real weights. Numbers: `benchmarks/guarding.py` measures them on speech.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from wyoming_csm.audio import SAMPLE_RATE, SAMPLES_PER_FRAME, Samples, from_pcm
from wyoming_csm.worker.csm.usual import Usual, repeats

if TYPE_CHECKING:
    from torch import Tensor

RulesName = Literal["none", "sound", "codes"]
LOOK_AHEAD = 10  # frames: what is suspicious is sent so much later

_SILENT_DB, _BELOW_USUAL_DB = -50.0, 32.0  # a frame below both is silent
_PAUSE = 13, 28  # silent frames inside a sentence: suspicious, bad; readers pause for 2 s at most
_LATE = 25  # silent frames before a sentence
_LOUD_DB, _ABOVE_USUAL_DB = -5.0, 15.0
_LOUD = 1, 4  # frames
_PERIODS = np.arange(1, 17)  # frames after which the same may come again
_STEADY = 5, 10  # frames that sound as those a period before, and …
_AGAIN = 2, 3  # … so many periods of them; speech has 5 frames, where its words are no others
_NEAR_DB = 3.0  # between two frames' bands: noise has 2.7
_SAME_CODES = 0.875  # share
_WINDOW = 24  # frames in which different first codes are counted
_FEWER = 0.35  # of what is usual

# 12 bands from 75 Hz to 8 kHz.
_BANDS = np.round(np.geomspace(6, 8_000 * SAMPLES_PER_FRAME / SAMPLE_RATE, 13)).astype(np.intp)
_HANN = np.hanning(SAMPLES_PER_FRAME).astype(np.float32)
_SCALE = 0.375 * SAMPLES_PER_FRAME * SAMPLES_PER_FRAME / 2  # a full-scale square wave is 0 dB

Features = npt.NDArray[np.float64]


class Level(IntEnum):
    """How bad it is."""

    GOOD = 0
    SUSPICIOUS = 1
    BAD = 2


class Verdict(NamedTuple):
    """What is thought of a sentence so far, and why."""

    level: Level
    reason: str = ""


GOOD = Verdict(Level.GOOD)


class Guard:
    """Judges one try of a sentence; `sounded` once anything was heard in it."""

    def __init__(self, usual: Usual, text: str, limit: int, rules: RulesName) -> None:
        """Take what is usual of the voice, and a `limit` in frames, whatever the rules."""
        self._usual = usual
        self._text = text
        self._limit = usual.limit(text, limit) if rules != "none" else limit
        self._rules = rules
        own = repeats(text)
        self._sounds = _Repetition(len(_BANDS) - 1, _are_near, own)
        self._codes: _Repetition | None = None
        self._own = own
        self._frames = 0
        self._silent = self._loud = 0  # frames, up to now
        self._power = 0.0  # the sum over all that sounded
        self._sounding = 0  # frames
        self._firsts: list[int] = []  # codes
        self._variety: list[int] = []

    @property
    def sounding(self) -> int:
        """The frames that were not silent; without rules every frame counts."""
        return self._sounding

    @property
    def sounded(self) -> bool:
        """True if there is such a frame."""
        return self._sounding > 0

    def judge(self, pcm: bytes, codes: "Tensor | None" = None) -> Verdict:
        """Judge with one more frame of 80 ms, s16le; `codes` [codebooks] are on the host."""
        self._frames += 1
        verdicts = [self._judge_length()]
        if self._rules == "none":
            self._sounding += 1
        else:
            verdicts += self._judge_sound(from_pcm(pcm))
        if self._rules == "codes" and codes is not None:
            verdicts += self._judge_codes(codes.numpy())
        return max(verdicts, key=lambda verdict: verdict.level)

    @property
    def ended_early(self) -> bool:
        """Return whether nobody can have said all of its words by now."""
        return self._rules != "none" and self._usual.too_short(self._text, self._frames)

    def learn(self) -> None:
        """Count it as usual: it ended well."""
        if self._rules == "none" or not self._sounding:
            return
        level = 10 * np.log10(max(self._power / self._sounding, 1e-12))
        variety = float(np.mean(self._variety)) if self._variety else self._usual.variety
        self._usual.learn(self._text, self._frames, float(level), variety)

    def _judge_length(self) -> Verdict:
        if self._frames >= self._limit:
            return Verdict(Level.BAD, "it did not end")
        if self._rules != "none" and self._frames > self._limit - LOOK_AHEAD:
            return Verdict(Level.SUSPICIOUS)
        return GOOD

    def _judge_sound(self, samples: Samples) -> list[Verdict]:
        power = float(np.dot(samples, samples)) / len(samples)
        level = 10 * np.log10(max(power, 1e-12))
        silent = level < min(_SILENT_DB, self._usual.level - _BELOW_USUAL_DB)
        if not silent:
            self._sounding += 1
            self._power += power
        self._silent = self._silent + 1 if silent else 0
        loudest = self._usual.level + _ABOVE_USUAL_DB if self._usual.is_known else _LOUD_DB
        self._loud = self._loud + 1 if level > min(loudest, _LOUD_DB) else 0
        return [
            self._judge_silence(),
            _stage(self._loud, _LOUD, "it was far too loud"),
            self._sounds.judge(_bands(samples), not silent),
        ]

    def _judge_silence(self) -> Verdict:
        if self.sounded:
            return _stage(self._silent, _PAUSE, "it fell silent")
        return _stage(self._silent, (1, _LATE), "it did not sound")

    def _judge_codes(self, codes: npt.NDArray[np.int64]) -> list[Verdict]:
        if self._codes is None:
            self._codes = _Repetition(len(codes), _are_same, self._own)
        self._firsts = [*self._firsts[-_WINDOW + 1 :], int(codes[0])]
        return [self._codes.judge(codes.astype(np.float64), True), self._judge_variety()]

    def _judge_variety(self) -> Verdict:
        if len(self._firsts) < _WINDOW:
            return GOOD
        different = len(set(self._firsts))
        self._variety.append(different)
        if self._usual.is_known and different < _FEWER * self._usual.variety:
            return Verdict(Level.BAD, "its codes were too much alike")
        return GOOD


class _Repetition:
    """Counts for each period how long frames have been as those a period before."""

    def __init__(
        self, width: int, alike: Callable[[Features, Features], npt.NDArray[np.bool_]], own: int
    ) -> None:
        """Look for frames of that `width`, in a text that itself repeats a word `own` times."""
        self._past = np.full((len(_PERIODS), width), np.inf)  # the newest first
        self._alike = alike
        self._runs = np.zeros(len(_PERIODS), np.intp)
        self._suspicious, self._bad = (
            np.maximum(steady, times * _PERIODS) + own * _PERIODS
            for steady, times in zip(_STEADY, _AGAIN, strict=True)
        )

    def judge(self, features: Features, sounds: bool) -> Verdict:
        """Judge with one more frame; one that does not `sound` ends no run, and counts for none."""
        self._runs = (self._runs + int(sounds)) * self._alike(self._past, features)
        self._past[1:] = self._past[:-1]
        self._past[0] = features
        if (self._runs >= self._bad).any():
            return Verdict(Level.BAD, "it repeated itself")
        return Verdict(Level.SUSPICIOUS) if (self._runs >= self._suspicious).any() else GOOD


def _stage(count: int, limits: tuple[int, int], reason: str) -> Verdict:
    suspicious, bad = limits
    if count >= bad:
        return Verdict(Level.BAD, reason)
    return Verdict(Level.SUSPICIOUS) if count >= suspicious else GOOD


def _bands(samples: Samples) -> Features:
    """Return dB below full scale in 12 bands; below -90 all is the same."""
    whole = np.zeros(SAMPLES_PER_FRAME, np.float32)
    whole[: len(samples)] = samples[:SAMPLES_PER_FRAME]
    spectrum = np.fft.rfft(whole * _HANN)
    power = spectrum.real**2 + spectrum.imag**2
    bands = np.add.reduceat(power, _BANDS)[:-1] / _SCALE
    decibels: Features = 10 * np.log10(bands + 1e-9)
    return decibels


def _are_near(past: Features, new: Features) -> npt.NDArray[np.bool_]:
    near: npt.NDArray[np.bool_] = np.abs(past - new).mean(axis=1) < _NEAR_DB
    return near


def _are_same(past: Features, new: Features) -> npt.NDArray[np.bool_]:
    same: npt.NDArray[np.bool_] = (past == new).mean(axis=1) >= _SAME_CODES
    return same
