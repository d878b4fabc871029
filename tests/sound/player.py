"""A listener that plays from the first sound on, and sound that it can tell apart."""

import asyncio

from wyoming_csm.audio import BYTES_PER_SECOND

FRAME = 0.08  # seconds
CHARACTERS = 53  # of a sentence


class Listener:
    """Plays what comes, and counts what it had to wait for."""

    def __init__(self) -> None:
        self.full = False
        self.sound = bytearray()
        self.began: float | None = None
        self.gaps: list[float] = []  # seconds

    def send(self, pcm: bytes) -> None:
        now = asyncio.get_running_loop().time()
        self.began = now if self.began is None else self.began
        late = now - self.began - sum(self.gaps) - len(self.sound) / BYTES_PER_SECOND
        if late > 0.001:
            self.gaps.append(late)
        self.sound += pcm

    def flush(self) -> None:
        """Nothing is held here."""

    @property
    def silence(self) -> float:
        """Seconds of it, in what came."""
        samples = memoryview(bytes(self.sound)).cast("h")
        return sum(not sample for sample in samples) / 24_000


def frame(sentence: int, stretch: float = 1.0) -> bytes:
    """Return the sound of a frame as it is played."""
    return (sentence + 1).to_bytes(2, "little") * round(FRAME * 24_000 / stretch)
