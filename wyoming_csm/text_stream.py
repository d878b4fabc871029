"""A text that grows while it is spoken, with a limit to its length."""

import asyncio
from collections.abc import Callable


class TextStream:
    """Text that arrives in chunks while what came before it is spoken."""

    def __init__(self, most_characters: int, complain: Callable[[str], None]) -> None:
        self._most = most_characters
        self._complain = complain
        self._chunks: list[str] = []
        self._characters = 0
        self._ended = False
        self._news = asyncio.Event()
        self.first_at: float | None = None  # the loop's time of the first character
        self.cut = False  # there was more than the limit allows

    def feed(self, text: str) -> None:
        """Add text; what goes over the limit is left out, and complained of once."""
        room = self._most - self._characters
        if len(text) > room and not self.cut:
            self.cut = True
            self._complain(f"is longer than {self._most} characters")
        text = text[:room]
        if not text:
            return
        self._characters += len(text)
        if self.first_at is None:
            self.first_at = asyncio.get_running_loop().time()
        self._chunks.append(text)
        self._news.set()

    def end(self) -> None:
        """End the text. Calling it twice is harmless."""
        self._ended = True
        self._news.set()

    async def take(self, patience: float | None = None) -> str | None:
        """Wait for text and return all there is; "": none in `patience` s; None: the end."""
        try:
            async with asyncio.timeout(patience):
                await self._news.wait()
        except TimeoutError:
            return ""
        text = "".join(self._chunks)
        self._chunks.clear()
        if not self._ended:
            self._news.clear()
        return text or None
