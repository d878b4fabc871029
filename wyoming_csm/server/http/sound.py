"""An answer's sound on its way to an HTTP response: gathered until the response takes it."""

import asyncio
from collections.abc import AsyncGenerator

from wyoming_csm.answer import Answer, AnswerContext
from wyoming_csm.audio import SAMPLE_WIDTH
from wyoming_csm.server.peer import UNSENT_BYTES
from wyoming_csm.text_stream import TextStream
from wyoming_csm.voices import Voice


class Gathered:
    """The listener of one answer: 24 kHz mono s16le, taken in whatever parts are there."""

    def __init__(self) -> None:
        self.samples = 0  # sent here
        self.first_at: float | None = None
        self._there = bytearray()
        self._taken = 0  # bytes that are on their way to the peer
        self._ended = False
        self._news, self._room = asyncio.Event(), asyncio.Event()

    @property
    def full(self) -> bool:
        return self._taken + len(self._there) > UNSENT_BYTES

    def send(self, pcm: bytes) -> None:
        if self.first_at is None:
            self.first_at = asyncio.get_running_loop().time()
        self.samples += len(pcm) // SAMPLE_WIDTH
        self._there += pcm
        self._news.set()

    def flush(self) -> None:
        """Do nothing: all that is there may be taken at any time."""

    async def drained(self) -> None:
        while self.full:
            self._room.clear()
            await self._room.wait()

    async def surely_there(self) -> None:
        """Wait for nothing: an HTTP connection that ends one way has ended."""

    def end(self) -> None:
        """Note that no more comes."""
        self._ended = True
        self._news.set()

    async def take(self) -> bytes:
        """Wait for sound and return all there is; b"": the end. What was taken before is sent."""
        self._taken = 0
        self._room.set()
        while not self._there and not self._ended:
            self._news.clear()
            await self._news.wait()
        pcm = bytes(self._there)
        self._there.clear()
        self._taken = len(pcm)
        return pcm


async def sound_of(
    text: TextStream,
    voice: Voice | None,
    context: AnswerContext,
    address: str,
    *,
    ssml: bool,
    rate: float,
) -> AsyncGenerator[bytes]:
    """Yield an answer's sound while it is made. Close the generator (`aclosing`) to stop it.

    Raises EngineError, RequestError where the answer ends so.
    """
    gathered = Gathered()
    answer = Answer(text, voice, gathered, context, ssml=ssml, rate=rate, address=address)
    task = asyncio.create_task(answer.run(), name=f"http {address}")
    task.add_done_callback(lambda _: gathered.end())
    try:
        while pcm := await gathered.take():
            yield pcm
        await task
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # told above, or of no interest to one who left
