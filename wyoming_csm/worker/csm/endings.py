"""Where a sentence ends that does not end by itself, and which seeds its tries have."""

import re
import secrets

from wyoming_csm.audio import SAMPLE_RATE, SAMPLES_PER_FRAME

FRAMES_PER_SECOND = SAMPLE_RATE / SAMPLES_PER_FRAME

# People do not speak slower than this: what is longer is babble that does not end.
_SECONDS = 4.0
_SECONDS_PER_CHARACTER = 0.2
_SECONDS_PER_WORD = 0.75  # 80 a minute, where a slow reader has 100
# A digit, a word, or a symbol that is read out, as % and +.
_SPOKEN = re.compile(r"\d|[^\W\d_]+|[%&+@#/*=<>°§$\u00a3\u20ac]")
_OTHER_BITS = 0x1E3779B97F4A7C15  # any that look random


def frame_limit(text: str, most_seconds: float, room: int) -> int:
    """Return the frames after which `text` is cut, at most `most_seconds`.

    4 s and 0.2 s a character: for words that is plenty. Digits and capitals are said one by one, as
    whole words: for these it is more, as far as there are `room` frames.
    """
    least = _SECONDS + _SECONDS_PER_CHARACTER * len(text)
    slowly = _SECONDS + _SECONDS_PER_WORD * _spoken_words(text)
    return max(_frames(min(least, most_seconds)), min(_frames(min(slowly, most_seconds)), room))


def choose_seed(configured: int | None, said: int) -> int:
    """Return the configured one, plus one for each sentence of the reply that is its context."""
    return secrets.randbits(63) if configured is None else (configured + said) % 2**63


def another_seed(seed: int) -> int:
    """Return another of 63 bits, always the same for the same `seed`."""
    return seed ^ _OTHER_BITS


def _spoken_words(text: str) -> int:
    words = _SPOKEN.findall(text)
    return sum(len(word) if word.isupper() else 1 for word in words)


def _frames(seconds: float) -> int:
    return int(seconds * FRAMES_PER_SECOND)
