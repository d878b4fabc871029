"""How many may be connected: beyond it, who idles longest at the greediest address goes."""

from collections import Counter
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from wyoming_csm.config import Limits


class Guest(Protocol):
    """A connection, as the lobby sees it."""

    @property
    def address(self) -> str:
        """Whose it is."""

    @property
    def busy(self) -> bool:
        """Whether somebody waits for its sound."""

    @property
    def last_active(self) -> float:
        """When it last heard or finished something, on any one clock."""


G = TypeVar("G", bound=Guest)


class ConnectionLimit(Generic[G]):
    """The connections there are, never more than the limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._guests: set[G] = set()

    def __len__(self) -> int:
        return len(self._guests)

    def __iter__(self) -> Iterator[G]:
        return iter(tuple(self._guests))

    def enter(self, guest: G) -> G | None:
        """Let it in; returns the one that has to go for it, which is out already."""
        evicted = self._who_goes(guest.address)
        if evicted is not None:
            self.leave(evicted)
        self._guests.add(guest)
        return evicted

    def leave(self, guest: G) -> None:
        """Safe to call twice."""
        self._guests.discard(guest)

    def _who_goes(self, address: str) -> G | None:
        counts = Counter(guest.address for guest in self._guests)
        if counts[address] >= self._limits.connections_per_address:
            greediest = {address}
        elif len(self._guests) >= self._limits.connections:
            most = max(counts.values())
            greediest = {one for one, count in counts.items() if count == most}
        else:
            return None
        candidates = (guest for guest in self._guests if guest.address in greediest)
        return min(candidates, key=lambda guest: (guest.busy, guest.last_active))
