"""The sound of one reply as Wyoming events: audio-start, even chunks, audio-stop.

Without timestamps, as other servers send them: no client needs ours, and one in Go stops at them.
"""

from wyoming.audio import AudioChunk, AudioStart, AudioStop

from wyoming_csm.audio import CHANNELS, NOTHING_SECONDS, SAMPLE_RATE, SAMPLE_WIDTH, silence
from wyoming_csm.server.peer import EventWriter


class Sound:
    """Chunks hold exactly `samples_per_chunk`, except the last before a `flush`."""

    def __init__(self, events: EventWriter, samples_per_chunk: int) -> None:
        self._events = events
        self._chunk_bytes = samples_per_chunk * SAMPLE_WIDTH
        self._pending = bytearray()
        self._samples = 0
        self.started = False

    @property
    def seconds(self) -> float:
        """How much sound was sent so far."""
        return self._samples / SAMPLE_RATE

    def start(self) -> None:
        """Send audio-start, unless it was sent."""
        if not self.started:
            self.started = True
            start = AudioStart(SAMPLE_RATE, SAMPLE_WIDTH, CHANNELS)
            self._events.send(start.event())

    def add(self, pcm: bytes) -> None:
        """Add 24 kHz mono s16le of any length; whole chunks go out at once."""
        self._pending += pcm
        while len(self._pending) >= self._chunk_bytes:
            self._send(bytes(self._pending[: self._chunk_bytes]))
            del self._pending[: self._chunk_bytes]

    def flush(self) -> None:
        """Send what is pending: a sentence's end does not wait for the next one's beginning."""
        if self._pending:
            self._send(bytes(self._pending))
            self._pending.clear()

    def stop(self) -> None:
        """End the reply; one in which nothing was said is a moment of silence."""
        self.flush()
        if not self._samples:
            self.add(silence(NOTHING_SECONDS))
            self.flush()
        self._events.send(AudioStop().event())

    def _send(self, pcm: bytes) -> None:
        self.start()
        chunk = AudioChunk(SAMPLE_RATE, SAMPLE_WIDTH, CHANNELS, pcm)
        self._events.send(chunk.event())
        self._samples += len(pcm) // SAMPLE_WIDTH
