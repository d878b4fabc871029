"""From an engine's sound to a listener's: its rate, one loudness for all voices, clean ends."""

import math
from collections import defaultdict
from pathlib import Path

import numpy as np

from wyoming_csm.audio import SAMPLE_RATE, Samples, from_pcm, to_pcm
from wyoming_csm.config import SoundConfig
from wyoming_csm.sound.ends import AFTER, Ends
from wyoming_csm.sound.gains import Gains
from wyoming_csm.sound.limiter import Limiter
from wyoming_csm.sound.loudness import Meter
from wyoming_csm.sound.pacing import Speed
from wyoming_csm.sound.stretch import Stretch

# In dB a sample, while a sentence goes on: what a voice's first needs is not known before.
_FIRST_GLIDE, _GLIDE = 12.0 / SAMPLE_RATE, 6.0 / SAMPLE_RATE
_LOUDER_BEGIN = 0.6  # LU that the first second is louder than all of it; half of one by twice that
_SURE_SECONDS = 1.0  # so much of a sentence tells as much of its loudness as its voice does
_CLAUSE_ENDS = frozenset(",;:)-—，；：、،؛")  # noqa: RUF001
_SHORTEST_PAUSE = AFTER / SAMPLE_RATE  # seconds, after a sentence: its sound dies away
WORTH_LEARNING = 1.0  # seconds: a shorter sentence says little of its voice


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
    """One sentence's sound: pcm (24 kHz mono s16le) in parts of any size, in and out.

    Where pauses are configured, the silence it ends with does not come out: it is its `tail`.
    """

    def __init__(self, gains: Gains | None, pause: float | None, louder: float) -> None:
        """Take what is known of voices (None: all stay as loud as they are), the seconds of
        silence that belong behind it (None: what the engine makes), and its own gain in dB."""
        self._gains = gains
        self._louder = louder
        self._pause = pause
        silent = louder == -math.inf  # as long as it was made
        self._ends = None if pause is None or silent else Ends(pause)
        self._stretch: Stretch | None = None  # known when the first part comes
        self._limiter, self._meter = Limiter(), Meter()
        self._voice = ""
        self._known: float | None = None  # dB that the voice needs, as before the sentence
        self._gain: float | None = None  # dB; None: nothing came yet

    @property
    def pause(self) -> float:
        """Seconds of silence that belong behind it, its tail included; 0: what came out has all."""
        if self._ends is None or self._pause is None:
            return 0.0
        return max(self._pause, _SHORTEST_PAUSE)

    @property
    def tail(self) -> bytes:
        """Return the silence that it ended with, no longer than the configured pause."""
        return to_pcm(self._ends.tail) if self._ends else b""

    def feed(self, pcm: bytes, voice: str, stretch: float = 1.0) -> bytes:
        """Take the next part, spoken by whom `Gains` knows by this; return what can go on.

        `stretch`: so many times as fast, the same for all parts.
        """
        self._voice = voice
        if stretch != 1.0:
            self._stretch = self._stretch or Stretch(stretch)
            pcm = self._stretch.feed(pcm)
        return self._mixed(pcm)

    def end(self) -> bytes:
        """Return the rest."""
        stretched = self._mixed(self._stretch.end()) if self._stretch else b""
        rest = self._limiter.end()  # nothing, where nothing went in
        loudness = self._meter.loudness
        if self._gains and loudness is not None and self._meter.seconds >= WORTH_LEARNING:
            self._gains.learn(self._voice, loudness)
        if self._ends:
            rest = np.concatenate((self._ends.feed(rest), self._ends.end()))
        return stretched + to_pcm(rest)

    def _mixed(self, pcm: bytes) -> bytes:
        if not self._changes_loudness and self._ends is None:
            return pcm
        samples = from_pcm(pcm)
        if self._changes_loudness:
            self._meter.feed(samples)
            samples = self._limiter.feed(samples * self._next_gains(len(samples)))
        return to_pcm(self._ends.feed(samples) if self._ends else samples)

    @property
    def _changes_loudness(self) -> bool:
        return self._gains is not None or self._louder != 0

    def _next_gains(self, count: int) -> Samples:
        """Return the factor of each of the next `count` samples."""
        if self._gain is None:
            self._known = self._gains.of(self._voice) if self._gains else None
            self._gain = self._goal()
        way = self._goal() - self._gain
        glide = _FIRST_GLIDE if self._known is None else _GLIDE
        decibels = np.minimum(np.arange(1, count + 1) * glide, abs(way)) * np.sign(way) + self._gain
        self._gain = float(decibels[-1]) if count else self._gain
        return np.asarray(10 ** ((decibels + self._louder) / 20), np.float32)

    def _goal(self) -> float:
        """Return the gain in dB that the sentence needs, by its voice and by what came so far.

        A voice's sentences differ by 1 LU (standard deviation), and so does the first second of
        one from all of it; half a second does by twice as much. Each counts by its variance.
        """
        loudness = self._meter.loudness
        if self._gains is None or loudness is None:
            return self._known or 0.0
        needed = self._gains.needed(loudness - _LOUDER_BEGIN / self._meter.seconds)
        if self._known is None:
            return needed
        here, usual = self._meter.seconds**2, _SURE_SECONDS**2
        return (here * needed + usual * self._known) / (here + usual)
