"""Speech made slower or faster at its own pitch, while it comes: for engines without a speed.

WSOLA (waveform-similarity overlap-add; Verhelst and Roelands, ICASSP 1993): each 10 ms of what goes
on are cut from what came about where they belong, at the place that is most like what would have
followed the 10 ms before, and faded into these.
"""

import numpy as np
import numpy.typing as npt

HOP = 240  # samples of what goes on, 10 ms
_FRAME = 2 * HOP  # that are compared; the second half fades out
_REACH = 200  # samples to both sides, in which a place is looked for: in all, a period of 60 Hz
_FADE_IN = 0.5 - 0.5 * np.cos(np.pi * (np.arange(HOP) + 0.5) / HOP)
_FADE_OUT = 1.0 - _FADE_IN

# Of whole numbers, so that sums of products are exact: in whatever order a library adds them, and
# however the sound was cut, the same place is the most alike.
_Whole = npt.NDArray[np.float64]  # [samples]


class Stretch:
    """One sentence's sound, 24 kHz mono s16le in parts of any size, `rate` times as fast.

    What comes out is as long as what went in over `rate`, to the sample, begins and ends with the
    same sound, and does not depend on how that was cut. Each 10 ms of it go on as soon as the
    next 40 ms of what came are there, or twice `rate` times 10 ms, if that is more.
    """

    def __init__(self, rate: float) -> None:
        """Take a rate of 0.25 to 4."""
        self._rate = rate
        self._sound: _Whole = np.zeros(0)  # what came and is needed, from sample `_begin` on
        self._begin = 0
        self._hops = 0  # that went on
        self._next = 0  # the sample that would follow them

    def feed(self, pcm: bytes) -> bytes:
        """Take the next whole samples; return what can go on."""
        self._sound = np.concatenate((self._sound, np.frombuffer(pcm, "<i2").astype(np.float64)))
        hops = []
        while self._target + self._ahead <= self._came:
            hops.append(self._hop())
        return _to_pcm(hops)

    def end(self) -> bytes:
        """Return the rest."""
        left = round(self._came / self._rate) - self._hops * HOP
        hops = []
        while left > _FRAME:
            hops.append(self._hop())
            left -= HOP
        rest = self._cut(self._came - left, left)
        if self._hops:
            faded = min(HOP, left)
            rest[:faded] *= _FADE_IN[:faded]
            rest[:faded] += (self._cut(self._next, HOP) * _FADE_OUT)[:faded]
        return _to_pcm([*hops, rest])

    @property
    def _came(self) -> int:
        return self._begin + len(self._sound)

    @property
    def _target(self) -> int:
        """The sample where the next hop belongs."""
        return round(self._hops * HOP * self._rate)

    @property
    def _ahead(self) -> int:
        """Samples that must have come from there on: those that are looked at, and so many that
        what is left will be enough to end with the sound's own end."""
        return max(_REACH + _FRAME + HOP, round((_FRAME + 1) * self._rate))

    def _hop(self) -> _Whole:
        """Make the next hop: [HOP]."""
        if not self._hops:
            made = self._cut(0, HOP)
            self._next = HOP
        else:
            place = self._place()
            made = self._cut(self._next, HOP) * _FADE_OUT + self._cut(place, HOP) * _FADE_IN
            self._next = place + HOP
        self._hops += 1
        needed = min(self._next, self._target - _REACH, self._came - _FRAME - 2 * _REACH)
        self._sound = self._sound[max(0, needed - self._begin) :]
        self._begin = max(self._begin, needed)
        return made

    def _place(self) -> int:
        """Return the sample from which on the sound is most like what would follow."""
        last = self._came - _FRAME
        low = max(0, min(self._target, last - _REACH) - _REACH)
        high = max(low, min(self._target + _REACH, last))
        around = self._cut(low, high - low + _FRAME)
        alike = np.correlate(around, self._cut(self._next, _FRAME), "valid")  # [high - low + 1]
        powers = np.concatenate(([0.0], np.cumsum(np.square(around))))
        alike /= np.sqrt(powers[_FRAME:] - powers[:-_FRAME] + 1.0)
        best = int(alike.argmax())
        return low + best if alike[best] > 0 else min(max(self._target, low), high)

    def _cut(self, start: int, count: int) -> _Whole:
        """Return a copy of [count] samples; what never came is silence."""
        cut = np.zeros(count)
        low, high = max(start, self._begin), min(start + count, self._came)
        if low < high:
            cut[low - start : high - start] = self._sound[low - self._begin : high - self._begin]
        return cut


def _to_pcm(hops: list[_Whole]) -> bytes:
    return b"".join(np.rint(hop).astype("<i2").tobytes() for hop in hops)
