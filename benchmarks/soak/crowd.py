"""Many clients at once, each doing now this and now that, who all pause when they are asked to."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from aiohttp import ClientError

from benchmarks.soak import balancer_visits, http_visits, wyoming_visits
from benchmarks.soak.visitor import Refused, Visitor

Visit = Callable[[Visitor], Awaitable[None]]
_LONGEST = 90.0  # seconds of a visit: more, and somebody waits in vain
# What is done, how often, and if the visitor is owed all that it asked for.
_VISITS: Sequence[tuple[Visit, int, bool]] = (
    (wyoming_visits.speak, 6, True),
    (wyoming_visits.stream, 6, True),
    (wyoming_visits.half_close, 2, True),
    (wyoming_visits.describe, 3, True),
    (wyoming_visits.leave, 2, False),
    (wyoming_visits.reset, 2, False),
    (wyoming_visits.half_close_and_leave, 2, False),
    (wyoming_visits.flood, 1, False),
    (wyoming_visits.crowd, 1, False),
    (wyoming_visits.never_read, 1, False),
    (wyoming_visits.say_nothing, 1, False),
    (wyoming_visits.garble, 2, False),
    (http_visits.speak, 6, True),
    (http_visits.whole, 3, True),
    (http_visits.browse, 3, True),
    (http_visits.live, 4, True),
    (http_visits.live_leave, 2, False),
    (http_visits.live_garble, 1, False),
    (http_visits.leave, 2, False),
    (http_visits.half_close, 1, False),
    (http_visits.never_read, 1, False),
    (http_visits.flood, 1, False),
    (http_visits.garble, 2, False),
    (balancer_visits.look, 6, True),
    (balancer_visits.speak, 3, True),
    (balancer_visits.browse, 1, True),
    (balancer_visits.pretend, 1, False),
)


@dataclass(frozen=True)
class Failure:
    """A visitor who did not get what it was owed, in the loop's time."""

    at: float
    visit: str
    why: str


@dataclass
class Crowd:
    """Visitors that come again and again while the gate is open."""

    visitors: Sequence[Visitor]
    chance: random.Random
    pause: float  # seconds between two visits of a visitor, on average
    visits: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)  # of those who are owed nothing
    failures: list[Failure] = field(default_factory=list)
    _gate: asyncio.Event = field(default_factory=asyncio.Event)
    _inside: int = 0
    _empty: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Visit until cancelled, from `come` on."""
        self._empty.set()
        async with asyncio.TaskGroup() as group:
            for visitor in self.visitors:
                group.create_task(self._live(visitor))

    def come(self) -> None:
        """Open the gate."""
        self._gate.set()

    async def rest(self) -> None:
        """Close the gate and wait until all have gone."""
        self._gate.clear()
        await self._empty.wait()

    async def _live(self, visitor: Visitor) -> None:
        while True:
            await self._gate.wait()
            weights = [weight for _, weight, _ in _VISITS]
            [(visit, _, owed)] = self.chance.choices(_VISITS, weights)
            self._inside += 1
            self._empty.clear()
            try:
                await self._visit(visitor, visit, owed)
            finally:
                self._inside -= 1
                if not self._inside:
                    self._empty.set()
            await asyncio.sleep(self.chance.expovariate(1 / self.pause))

    async def _visit(self, visitor: Visitor, visit: Visit, owed: bool) -> None:
        name = f"{visit.__module__.rpartition('.')[2].partition('_')[0]} {visit.__name__}"
        self.visits[name] += 1
        try:
            async with asyncio.timeout(_LONGEST):
                await visit(visitor)
        except TimeoutError:
            self.failed(name, f"no end in {_LONGEST:g} s")
        except (Refused, ClientError, OSError, EOFError) as error:
            if owed:
                self.failed(name, f"{type(error).__name__}: {error}")
            else:
                self.ends[f"{name}: {type(error).__name__}"] += 1

    def failed(self, name: str, why: str) -> None:
        """Note that somebody did not get what it was owed."""
        self.failures.append(Failure(asyncio.get_running_loop().time(), name, why))
