"""Whose sentence is spoken next: fair between addresses, first come first served within one."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from wyoming_csm.engines.base import Engine

_REMEMBERED = 256  # addresses; who is forgotten counts as not served yet


class Queues:
    """The turns of each engine: nobody waits for one that another engine's speaker holds."""

    def __init__(self) -> None:
        self._turns: dict[str, Turns] = {}

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return sum(turns.waiting for turns in self._turns.values())

    def of(self, engine: Engine) -> "Turns":
        """By its name."""
        return self._turns.setdefault(engine.name, Turns(lambda: engine.slots))

    def wake(self) -> None:
        """Give out what is free."""
        for turns in self._turns.values():
            turns.wake()


class Turns:
    """At most `slots()` turns at a time; it may change, `wake` tells."""

    def __init__(self, slots: Callable[[], int]) -> None:
        self._slots = slots
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._held: Counter[str] = Counter()
        self._served: OrderedDict[str, None] = OrderedDict()  # the longest ago first

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return sum(map(len, self._waiting.values()))

    @asynccontextmanager
    async def take(self, address: str) -> AsyncIterator[None]:
        """Hold a turn. Cancelled while waiting: gone from the queue."""
        await self._wait(address)
        try:
            yield
        finally:
            self._release(address)

    def wake(self) -> None:
        """Give out what is free."""
        while self._waiting and self._held.total() < self._slots():
            address = self._next_address()
            turn = self._waiting[address][0]
            self._forget(address, turn)
            if not turn.cancelled():  # else it is being cancelled right now: it takes nothing
                self._hand_out(address)
                turn.set_result(None)

    async def _wait(self, address: str) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(address, deque()).append(turn)
        self.wake()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._forget(address, turn)
            else:  # given in the very moment of leaving
                self._release(address)
            raise

    def _next_address(self) -> str:
        """Who holds the fewest turns; among those, who was served the longest ago."""
        rank = {address: number for number, address in enumerate(self._served)}
        return min(self._waiting, key=lambda one: (self._held[one], rank.get(one, -1)))

    def _hand_out(self, address: str) -> None:
        self._held[address] += 1
        self._served[address] = None
        self._served.move_to_end(address)
        if len(self._served) > _REMEMBERED:
            self._served.popitem(last=False)

    def _release(self, address: str) -> None:
        self._held[address] -= 1
        if not self._held[address]:
            del self._held[address]
        self.wake()

    def _forget(self, address: str, turn: asyncio.Future[None]) -> None:
        """Safe to call twice."""
        queue = self._waiting.get(address, deque())
        if turn in queue:
            queue.remove(turn)
            if not queue:
                del self._waiting[address]
