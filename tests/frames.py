"""Recognisable sound; light to import, for it is needed in every fake child."""

FRAME_SAMPLES = 1_920
FRAME_BYTES = 2 * FRAME_SAMPLES


def frame(number: int) -> bytes:
    """The pcm of a sentence's frame `number` (from 0): every sample is number + 1."""
    return (number + 1).to_bytes(2, "little") * FRAME_SAMPLES
