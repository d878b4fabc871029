"""Sound whose words and silences are known."""

import numpy as np

from wyoming_csm.audio import SAMPLE_RATE, Samples


def speech(seconds: float, level: float = -20.0, seed: int = 0) -> Samples:
    """Noise with the spectrum and the rise and fall of a voice; `level`: dB, root mean square."""
    count = round(seconds * SAMPLE_RATE)
    noise = np.random.default_rng(seed).standard_normal(count)
    spectrum = np.fft.rfft(noise)
    frequencies = np.fft.rfftfreq(count, 1 / SAMPLE_RATE)
    spectrum *= (frequencies > 90) / (1 + (frequencies / 500) ** 2)
    sound = np.fft.irfft(spectrum, count)
    sound *= 1 + 0.5 * np.sin(2 * np.pi * 4 * np.arange(count) / SAMPLE_RATE)
    sound *= 10 ** (level / 20) / np.sqrt(np.square(sound).mean())
    return np.asarray(sound, np.float32)


def hush(seconds: float) -> Samples:
    """Silence as a voice has it: a little noise, at -70 dB."""
    return speech(seconds, -70.0) if seconds else np.zeros(0, np.float32)


def parts(samples: Samples, size: int) -> list[Samples]:
    """Cut [n] into parts of `size`."""
    return [samples[at : at + size] for at in range(0, len(samples), size)]
