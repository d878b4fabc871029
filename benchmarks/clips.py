"""Recordings to encode: speech of the server's small voices, noise, silence, edges."""

from collections.abc import Iterator
from itertools import cycle, islice

import numpy as np

from wyoming_csm.audio import Samples
from wyoming_csm.worker.system.espeak_ng import find_command
from wyoming_csm.worker.system.pico import Pico
from wyoming_csm.worker.system.speaker import Espeak

RATE, FRAME, LONGEST = 24_000, 1920, 60 * 24_000
_PICO = ("en-US", "en-GB", "de-DE", "es-ES", "fr-FR", "it-IT")
_ESPEAK = (
    "en-us",
    "nl",
    "pl",
    "sv",
    "cs",
    "el",
    "fi",
    "hu",
    "pt-br",
    "ro",
    "ru",
    "tr",
    "vi",
    "cmn",
)
# Every voice reads these in its own way.
_TEXTS = (
    "Yes.",
    "The light in the kitchen is on.",
    "It is a quarter past nine, and the washing machine has finished its programme.",
    "Tomorrow it will be cloudy at first, with a little rain in the afternoon; then dry.",
    "Door closed!",
    "Did you lock the garage, and is anybody still out in the garden?",
    "The energy price falls at two in the morning. The car is charged then.",
)
# Around each stride, a position (960), a frame and the convolutions' windows.
_EDGES: tuple[int, ...] = (
    1,
    2,
    3,
    4,
    5,
    7,
    19,
    20,
    21,
    119,
    120,
    121,
    479,
    480,
    959,
    960,
    961,
    1919,
    1920,
    1921,
)
_EDGES += (3839, 3840, 3841, 15_359, 15_360, 15_361, 61_440, 245_759, 245_760, 245_761)


def speech(count: int) -> Iterator[tuple[str, Samples]]:
    """Give sentences of each synthesiser and voice in turn, another text each time round."""
    command = find_command()
    if command is None:
        raise SystemExit("pip install espeakng-loader")
    pico, espeak = Pico(), Espeak(command)
    voices = [("pico", name) for name in _PICO] + [("espeak", name) for name in _ESPEAK]
    for n, (kind, name) in enumerate(islice(cycle(voices), count)):
        say = pico.say if kind == "pico" else espeak.say
        text = _TEXTS[n // len(voices) % len(_TEXTS)]
        yield f"{kind} {name}", _samples(b"".join(say(text, name)))


def clips() -> list[tuple[str, Samples]]:
    """Return 200 named recordings of one sample to 60 s, the same each time."""
    random = np.random.default_rng(1)
    found = list(speech(140))
    long = np.concatenate([samples for _, samples in found])
    found.append(("speech, 60 s", long[:LONGEST]))
    found.append(("speech, 33.3 s", long[LONGEST : LONGEST + 799_201]))
    for samples in _EDGES:
        found.append((f"speech, {samples} samples", long[RATE : RATE + samples]))
    for seconds in (0.01, 0.5, 1, 2, 4, 6, 8, 10.24, 12, 20):
        noise = random.standard_normal(round(seconds * RATE)).astype(np.float32)
        found.append((f"noise, {seconds} s", 0.1 * noise))
        swell = np.hanning(len(noise)).astype(np.float32)
        found.append((f"noise that swells, {seconds} s", 0.5 * noise * swell))
    for seconds in (0.08, 1, 15):
        found.append((f"silence, {seconds} s", np.zeros(round(seconds * RATE), np.float32)))
    found.append(("constant", np.full(5 * RATE, 0.5, np.float32)))
    found.append(("one click", np.eye(1, 2 * RATE, RATE, dtype=np.float32)[0]))
    found.append(("full scale", np.sign(np.sin(np.arange(3 * RATE) / 9)).astype(np.float32)))
    found.append(("far too loud", 30 * random.standard_normal(3 * RATE).astype(np.float32)))
    found.append(("far too quiet", 1e-6 * random.standard_normal(3 * RATE).astype(np.float32)))
    return found


def _samples(pcm: bytes) -> Samples:
    samples: Samples = np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32_768)
    return samples
