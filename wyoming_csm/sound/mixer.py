"""From an engine's sound to a listener's: one loudness for all voices, and clean ends."""

import math
from collections import defaultdict
from pathlib import Path

import numpy as np

from wyoming_csm.audio import SAMPLE_RATE, Samples, from_pcm, to_pcm
from wyoming_csm.config import SoundConfig
from wyoming_csm.sound.ends import Ends
from wyoming_csm.sound.gains import Gains
from wyoming_csm.sound.limiter import Limiter
from wyoming_csm.sound.loudness import Meter
from wyoming_csm.sound.pacing import Speed

_GLIDE = 12.0 / SAMPLE_RATE  # dB a sample, while a voice is measured for the first time
_CLAUSE_ENDS = frozenset(",;:)-—，；：、،؛")  # noqa: RUF001
_WORTH_LEARNING = 10  # hops of 0.1 s: a shorter sentence says little of its voice


class Mixer:
    """What is known of all voices and engines, and the settings: one for all replies."""

    def __init__(self, config: SoundConfig, path: Path | None = None) -> None:
        """Take the file for what is learnt of the voices; None: it is not written down."""
        self.config = config
        self.speeds: defaultdict[str, Speed] = defaultdict(Speed)  # by `engine/voice`
        self.gains = None if config.loudness is None else Gains(path, config.loudness)

    def sentence(self, text: str, gain: float = 0.0, pause: float | None = None) -> "SentenceSound":
        """Make what the sound of a sentence, or of a part of one, goes through.

        `gain`: dB more than all voices have; `pause`: seconds after it, None: as configured.
        """
        if pause is None:
            pause = self.config.sentence_pause
        if pause is not None and text[-1:] in _CLAUSE_ENDS:
            pause /= 2
        return SentenceSound(self.gains, pause, gain)


class SentenceSound:
    """One sentence's sound: pcm (24 kHz mono s16le) in parts of any size, in and out."""

    def __init__(self, gains: Gains | None, pause: float | None, louder: float) -> None:
        """Take what is known of voices (None: all stay as loud as they are), the seconds of
        silence that belong behind it (None: what the engine makes), and its own gain in dB."""
        self._gains = gains
        self._louder = louder
        self._pause = pause
        silent = louder == -math.inf  # as long as it was made
        self._ends = None if pause is None or silent else Ends(pause)
        self._limiter, self._meter = Limiter(), Meter()
        self._voice = ""
        self._gain: float | None = None  # dB; None: nothing came yet
        self._fixed = False  # the gain, since the voice is known

    @property
    def quiet(self) -> float:
        """Seconds of silence at the end of what came out, where pauses are configured."""
        return self._ends.quiet / SAMPLE_RATE if self._ends else 0.0

    @property
    def owed(self) -> float:
        """Seconds of silence that belong behind that."""
        if self._ends is None or self._pause is None:
            return 0.0
        return max(0.0, self._pause - self.quiet)

    def feed(self, pcm: bytes, voice: str) -> bytes:
        """Take the next part, spoken by `engine/voice`; return what can go on."""
        if not self._changes_loudness and self._ends is None:
            return pcm
        samples = from_pcm(pcm)
        if self._changes_loudness:
            self._voice = voice
            self._meter.feed(samples)
            samples = self._limiter.feed(samples * self._next_gains(len(samples)))
        return to_pcm(self._ends.feed(samples) if self._ends else samples)

    def end(self) -> bytes:
        """Return the rest."""
        rest = self._limiter.end()  # nothing, where nothing went in
        loudness = self._meter.loudness
        if self._gains and loudness is not None and self._meter.hops >= _WORTH_LEARNING:
            self._gains.learn(self._voice, loudness)
        if self._ends:
            rest = np.concatenate((self._ends.feed(rest), self._ends.end()))
        return to_pcm(rest)

    @property
    def _changes_loudness(self) -> bool:
        return self._gains is not None or self._louder != 0

    def _next_gains(self, count: int) -> Samples:
        """Return the factor of each of the next `count` samples."""
        if self._gain is None:
            known = self._gains.of(self._voice) if self._gains else 0.0
            self._fixed = known is not None
            self._gain = known if known is not None else self._needed() or 0.0
        decibels = np.full(count, self._gain)
        if not self._fixed and (goal := self._needed()) is not None:
            way = goal - self._gain
            decibels += np.minimum(np.arange(1, count + 1) * _GLIDE, abs(way)) * np.sign(way)
            self._gain = float(decibels[-1]) if count else self._gain
        return np.asarray(10 ** ((decibels + self._louder) / 20), np.float32)

    def _needed(self) -> float | None:
        """Return the gain in dB that what came so far needs; None: it is too little to tell."""
        loudness = self._meter.loudness
        return None if loudness is None or not self._gains else self._gains.needed(loudness)
