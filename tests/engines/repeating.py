"""A house that says the same again: engines with a cache of what they said."""

from pathlib import Path

from tests.engines.helpers import ANNA, speak
from tests.fakes import FakeEngine, frame
from wyoming_csm.config import CacheConfig
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.engines.reply import Reply
from wyoming_csm.engines.sentence_cache import SentenceCache
from wyoming_csm.worker.protocol import Identified

WHOLE = b"".join(frame(number) for number in range(5))
HOT = Identified("csm, hot")


class House:
    """Three engines with a cache that is written after each reply, as if the next came later."""

    def __init__(self, data: Path, *engines: FakeEngine, characters: int = 200) -> None:
        self._data, self._config = data, CacheConfig(characters=characters)
        self.engines = engines
        self.replies: list[Reply] = []

    async def hear(self, *texts: str) -> bytes:
        """A reply of these sentences."""
        cache = SentenceCache(self._data, self._config)
        reply = Fallback(self.engines, cache=cache).start_reply(ANNA)
        self.replies.append(reply)
        try:
            return b"".join([b"".join(await speak(reply, text)) for text in texts])
        finally:
            await reply.aclose()
            await cache.close()

    @property
    def speakers(self) -> str:
        """Those of the last reply."""
        return self.replies[-1].speakers


def stored(data: Path) -> int:
    return len(list(data.glob("sentences/*")))
