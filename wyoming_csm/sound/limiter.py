"""A look-ahead limiter: what would be too loud becomes softer around it, and nothing is clipped."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from wyoming_csm.audio import Samples

CEILING = 10 ** (-1 / 20)  # -1 dBFS: leaves room for what a lossy format adds
AHEAD = 120  # samples, 5 ms: so long it takes to become softer, and louder again


class Limiter:
    """Holds the last 5 ms of a sentence back; what needs no change is passed on as it is.

    A sample's gain is the mean, over 5 ms to both sides, of what the loudest sample within 5 ms
    of each allows: never above what it needs itself, and without a corner.
    """

    def __init__(self) -> None:
        self._sound = np.zeros(0, np.float32)  # not passed on yet
        self._allowed = np.ones(2 * AHEAD, np.float32)  # gains, from 2 AHEAD before that on

    def feed(self, samples: Samples) -> Samples:
        """Take the next samples [n] of any height; return all but the last 2 AHEAD."""
        peaks = np.maximum(np.abs(samples), 1e-9)
        self._sound = np.concatenate((self._sound, samples))
        self._allowed = np.concatenate((self._allowed, np.minimum(1.0, CEILING / peaks)))
        return self._take(max(0, len(self._sound) - 2 * AHEAD))

    def end(self) -> Samples:
        """Return the rest."""
        self._allowed = np.concatenate((self._allowed, np.ones(2 * AHEAD, np.float32)))
        return self._take(len(self._sound))

    def _take(self, count: int) -> Samples:
        sound, self._sound = self._sound[:count], self._sound[count:]
        allowed, self._allowed = self._allowed[: count + 4 * AHEAD], self._allowed[count:]
        if not count or allowed.min() >= 1.0:
            return sound
        least = sliding_window_view(allowed, 2 * AHEAD + 1).min(axis=1)  # [count + 2 AHEAD]
        gains = sliding_window_view(least, 2 * AHEAD + 1).mean(axis=1)  # [count]
        return np.asarray(sound * gains, np.float32)
