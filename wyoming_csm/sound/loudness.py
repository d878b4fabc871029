"""How loud speech is, as ITU-R BS.1770 measures it."""

import math

import numpy as np
import numpy.typing as npt

from wyoming_csm.audio import SAMPLE_RATE, Samples

HOP = SAMPLE_RATE // 10  # samples: the standard's blocks of 0.4 s begin 0.1 s apart
BLOCK = 4  # hops
_OFFSET = -0.691  # of the standard: a sine of 997 Hz at full scale has -3.01 LUFS
_ABSOLUTE, _RELATIVE = -70.0, -10.0  # LUFS, and LU below the mean: what is softer does not count


def _weights() -> npt.NDArray[np.float64]:
    """Return the standard's K filter as power by frequency, [HOP + 1] up to 12 kHz.

    Its two filters, given for 48 kHz, are rebuilt for our rate from their analogue form, as
    libebur128 does.
    """
    z = np.exp(1j * np.pi * np.arange(HOP + 1) / HOP)
    f, gain, q = 1681.974450955533, 3.999843853973347, 0.7071752369554196  # a shelf
    k = math.tan(math.pi * f / SAMPLE_RATE)
    vh = 10 ** (gain / 20)
    vb = vh**0.4996667741545416
    shelf = _biquad(
        z,
        (vh + vb * k / q + k * k, 2 * (k * k - vh), vh - vb * k / q + k * k),
        (1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k),
    )
    f, q = 38.13547087602444, 0.5003270373238773  # a high-pass
    k = math.tan(math.pi * f / SAMPLE_RATE)
    below = (1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k)
    high_pass = _biquad(z, (below[0], -2 * below[0], below[0]), below)
    return np.asarray(np.abs(shelf * high_pass) ** 2)


def _biquad(
    z: npt.NDArray[np.complex128], over: tuple[float, ...], under: tuple[float, ...]
) -> npt.NDArray[np.complex128]:
    return np.asarray(np.polyval(over, z) / np.polyval(under, z))


_K = _weights()


class Meter:
    """Measures a sentence while it passes."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.float32)
        self._powers: list[float] = []  # K-weighted mean squares, one a hop

    def feed(self, samples: Samples) -> None:
        """Take the next samples [n] of it."""
        samples = np.concatenate((self._rest, samples))
        hops = len(samples) // HOP
        self._rest = samples[hops * HOP :]
        if hops:
            spectrum = np.fft.rfft(samples[: hops * HOP].reshape(hops, HOP), 2 * HOP)
            energy = (np.square(np.abs(spectrum)) * _K).sum(axis=1)
            self._powers += (energy / HOP / HOP).tolist()

    @property
    def seconds(self) -> float:
        """How many seconds were measured, to 0.1."""
        return len(self._powers) * HOP / SAMPLE_RATE

    @property
    def loudness(self) -> float | None:
        """The loudness so far in LUFS, with the standard's gates; None: too short, or silence."""
        powers = np.asarray(self._powers)
        if len(powers) < BLOCK:
            return None
        blocks = np.convolve(powers, np.full(BLOCK, 1 / BLOCK), "valid")
        blocks = blocks[blocks > _power(_ABSOLUTE)]
        if not len(blocks):
            return None
        blocks = blocks[blocks > blocks.mean() * 10 ** (_RELATIVE / 10)]
        return _OFFSET + 10 * math.log10(blocks.mean())


def _power(lufs: float) -> float:
    return float(10 ** ((lufs - _OFFSET) / 10))
