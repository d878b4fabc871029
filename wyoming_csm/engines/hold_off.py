"""How long to hold off before an engine is tried again: after a death, at rest, while away."""

import asyncio
import time
from contextlib import suppress

from wyoming_csm.engines.watchdog import Timeouts

DEATHS_IN_A_ROW = 5
LONGEST_DELAY = 30.0
LONGEST_RETRY = 900.0  # for what may pass by itself, as a network that is away


class HoldOff:
    """Counts failures and waits after each, longer every time, until something was spoken."""

    def __init__(self, patience: Timeouts) -> None:
        self._patience = patience
        self.deaths = 0  # without a sentence spoken to its end in between
        self._rests = 0  # the same
        self._rested_for = ""
        self._retry = patience.retry
        self._until = 0.0
        self._shortened = asyncio.Event()

    def forget(self) -> None:
        """Begin anew: it spoke, or is believed to be able to."""
        self.deaths = self._rests = 0
        self._rested_for = ""
        self.loaded()

    def loaded(self) -> None:
        """Look often again: what was away is there."""
        self._retry = self._patience.retry

    def died(self) -> bool:
        """Begin a wait before the next life; False if that was one death too many: let it rest."""
        self.deaths += 1
        if self.deaths >= DEATHS_IN_A_ROW:
            return False
        self._begin(min(LONGEST_DELAY, self._patience.restart * 2.0 ** (self.deaths - 1)))
        return True

    def rest(self, why: str) -> bool:
        """Begin a rest, and return whether its reason is another than last time. One try follows:
        then something is spoken, or it rests again."""
        rests = self._patience.rests
        self._begin(rests[min(self._rests, len(rests) - 1)])
        self._rests += 1
        before, self._rested_for = self._rested_for, why
        return why != before

    def away(self) -> None:
        """Begin a wait, for a reason that may pass by itself."""
        self._begin(self._retry)
        self._retry = min(LONGEST_RETRY, self._retry * 2)

    @property
    def left(self) -> float:
        """Return the seconds until the wait is over."""
        return max(0.0, self._until - time.monotonic())

    def shorten(self, seconds: float) -> None:
        """Let the wait take no longer than these from now on."""
        if self.left > seconds:
            self._begin(seconds)
            self._shortened.set()

    async def over(self) -> None:
        """Wait until the wait is over."""
        while left := self.left:
            self._shortened.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._shortened.wait()

    def _begin(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds
