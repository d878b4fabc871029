"""Sound as Wyoming events: `audio-start`, then `audio-chunk` after `audio-chunk`.

Events have no timestamps, as other servers send them: no client needs ours, and one in Go stops
at them.
"""

import asyncio

from wyoming.audio import AudioChunk, AudioStart, AudioStop

from wyoming_csm.audio import CHANNELS, SAMPLE_RATE, SAMPLE_WIDTH
from wyoming_csm.server.peer import UNSENT_BYTES, EventWriter


class SoundEvents:
    """One reply's sound: 24 kHz mono s16le in, events out, each of `samples_per_chunk` samples.

    Only the first of a reply, and what comes before a `flush`, may be shorter.
    """

    def __init__(self, events: EventWriter, samples_per_chunk: int) -> None:
        self._events = events
        self._chunk_bytes = samples_per_chunk * SAMPLE_WIDTH
        self._pending = bytearray()  # sound that fills no chunk yet
        self.started = False  # audio-start was sent
        self.samples = 0  # sent
        self.first_at: float | None = None  # the loop's time of the first of these

    @property
    def full(self) -> bool:
        """Tell whether the peer takes the sound so slowly that no silence need be added."""
        return self._events.unsent > UNSENT_BYTES

    def start(self) -> None:
        """Send `audio-start`, if that was not done. Raises ConnectionError."""
        if not self.started:
            self.started = True
            self._events.send(AudioStart(SAMPLE_RATE, SAMPLE_WIDTH, CHANNELS).event())

    def send(self, pcm: bytes) -> None:
        """Add sound of any length; whole chunks are sent at once, and the first sound of all: the
        limiter keeps some of CSM's first frame, so a whole chunk would take the second one. Raises
        ConnectionError."""
        self._pending += pcm
        while len(self._pending) >= self._chunk_bytes:
            self._chunk(bytes(self._pending[: self._chunk_bytes]))
            del self._pending[: self._chunk_bytes]
        if self.first_at is None:
            self.flush()

    def flush(self) -> None:
        """Send what fills no chunk: a sentence's end does not wait for the next one's beginning."""
        if self._pending:
            self._chunk(bytes(self._pending))
            self._pending.clear()

    def stop(self) -> None:
        """Send `audio-stop`: there is no more. Raises ConnectionError."""
        self._events.send(AudioStop().event())

    def probe(self) -> None:
        """Send what shows whether a peer whose input ended is there. Raises ConnectionError."""
        if not self.started:
            self.start()
            self._events.probed()

    async def drained(self) -> None:
        """Wait until little is unsent. Raises Stalled, ConnectionError."""
        await self._events.drained()

    async def surely_there(self) -> None:
        """Wait until a peer that has left would have told so. Raises ConnectionError."""
        await self._events.surely_there()

    def _chunk(self, pcm: bytes) -> None:
        self.start()
        if self.first_at is None:
            self.first_at = asyncio.get_running_loop().time()
        self._events.send(AudioChunk(SAMPLE_RATE, SAMPLE_WIDTH, CHANNELS, pcm).event())
        self.samples += len(pcm) // SAMPLE_WIDTH
