"""Looks at folders that replicas share, for the event loop: no reply waits for a disk for long."""

import asyncio
from collections.abc import Callable, Hashable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from wyoming_csm.silent_disk import ANSWER_SECONDS, Disk

_T = TypeVar("_T")


class Looks:
    """Asks the disk of each folder, and remembers what it said last."""

    def __init__(self, seconds: float = ANSWER_SECONDS) -> None:
        """Take the `seconds` that a look may take."""
        self._seconds = seconds
        self._disks: dict[Path, Disk] = {}
        self._last: dict[Hashable, Any] = {}

    async def ask(self, folder: Path, look: Callable[[], _T]) -> _T:
        """Look below a folder, in a thread. Raises what `asked` does."""
        return await asked(self._disks.setdefault(folder, Disk(folder, self._seconds)), look)

    async def last(self, folder: Path, key: Hashable, look: Callable[[], _T | None]) -> _T | None:
        """Look below a folder; where the disk fails, return what it said last for this key, None
        if that is nothing."""
        with suppress(OSError):
            self._last[key] = await self.ask(folder, look)
        found: _T | None = self._last.get(key)
        return found


async def asked(disk: Disk, look: Callable[[], _T]) -> _T:
    """Look, and wait for it as long as it may take. Raises TimeoutError, which is an OSError, if
    the disk is silent, and what the look does."""
    looking = asyncio.get_running_loop().run_in_executor(disk, look)
    try:
        await asyncio.wait([looking], timeout=disk.seconds)
        if not looking.done():
            raise disk.silent()
        return looking.result()
    finally:
        looking.cancel()
