"""The silence at both ends of a sentence: cut to what was asked for, never a sound of it."""

import numpy as np
import numpy.typing as npt

from wyoming_csm.audio import SAMPLE_RATE, Samples

WINDOW = 240  # samples, 10 ms: in each the sound is loud or silent as a whole
LOUD = 10 ** (-50 / 20)  # root mean square, of 1; a breath or an "f" is louder
BEFORE = 4  # windows of what comes before the first loud one: its onset
AFTER = 6 * WINDOW  # samples of what comes after the last: a sound dies away
WHISPER = 10 ** (-65 / 20)
PATIENCE = 100  # windows; a voice that whispers for longer is soft, and keeps all it has


class Ends:
    """One sentence's sound, without the silence that is too much before and after its words.

    Silence inside a sentence is its own: what comes after a loud window waits, and the next one
    sends it on. At the end it is the `tail`, for whoever knows what follows to send or to shorten.
    """

    def __init__(self, after: float) -> None:
        """Take the longest tail, in seconds; a sound may always die away."""
        self._after = max(round(after * SAMPLE_RATE), AFTER)
        self._begun = self._whispers = False
        self._waiting = np.zeros(0, np.float32)  # before the first word, or no whole window
        self._held = self._waiting  # silence that may be the last
        self.tail = self._waiting  # what came after the last one, [n]: known at the end

    def feed(self, samples: Samples) -> Samples:
        """Take the next samples [n]; return those that can go on, [m]."""
        if self._whispers:
            return samples
        samples = np.concatenate((self._waiting, samples))
        loud = _windows_above(samples, LOUD)
        if not self._begun:
            if not len(loud):
                return self._without_words(samples)
            self._begun = True
            first = max(0, int(loud[0]) - BEFORE)
            samples, loud = samples[first * WINDOW :], loud - first
        whole = len(samples) // WINDOW * WINDOW
        self._waiting = samples[whole:]
        return self._pass(samples[:whole], loud)

    def end(self) -> Samples:
        """Return what is left of the sentence, without its tail: [m]."""
        rest, self._waiting = self._waiting, self._waiting[:0]
        if not self._begun:  # nothing was loud: it is not for us to say that it is no sentence
            return rest
        self.tail = np.concatenate((self._held, rest))[: self._after]
        return rest[:0]

    def _without_words(self, samples: Samples) -> Samples:
        """Take what has no loud window yet; return it if it is a voice that only whispers."""
        quiet = _windows_above(samples, WHISPER)
        self._whispers = len(quiet) >= PATIENCE
        if self._whispers:
            self._waiting = samples[:0]
            return samples
        begin = int(quiet[0]) if len(quiet) else len(samples) // WINDOW
        self._waiting = samples[max(0, begin - BEFORE) * WINDOW :]
        return samples[:0]

    def _pass(self, samples: Samples, loud: npt.NDArray[np.intp]) -> Samples:
        """Let whole windows go on, up to the last loud one."""
        if not len(loud):
            self._held = np.concatenate((self._held, samples))
            return samples[:0]
        end = int(loud[-1] + 1) * WINDOW
        sound, self._held = np.concatenate((self._held, samples[:end])), samples[end:]
        return sound


def _windows_above(samples: Samples, level: float) -> npt.NDArray[np.intp]:
    """Return the numbers of the whole windows that are louder, in order."""
    windows = samples[: len(samples) // WINDOW * WINDOW].reshape(-1, WINDOW)
    return np.flatnonzero(np.square(windows).mean(axis=1) > level**2)
