"""Answers HAProxy's agent-check: how much this replica can take, or that it takes no more.

One line for each connection, and nothing is read: `up ready 75%` has a weight by the free slots.
With `drain` HAProxy sends nobody new, unless all say so, and lets go on what there is. A weight of
1% would not do: of servers without a connection each gets the next one, whatever it weighs. With
`down` it cuts off what there is: for a server that cannot speak, and speaks to nobody.
"""

import logging
import socket
from collections.abc import Collection, Sequence

from wyoming_csm.config import Config
from wyoming_csm.engines.base import ABLE, PENDING, Engine, Phase
from wyoming_csm.server.accepting import Accepting
from wyoming_csm.server.admission import Admission
from wyoming_csm.server.sockets import listen_tcp

_LOGGER = logging.getLogger(__name__)

_LEAST = 1  # of a busy one: 0 would be `drain`, also where all replicas are


class Agent:
    """Answers at `balancer.agent`, if that is set, from `async with` until its end."""

    def __init__(self, config: Config, engines: Sequence[Engine], admission: Admission) -> None:
        """Take the engines in their order, and who knows which peers may ask."""
        self._address = config.balancer.agent_address
        self._engines = tuple(engines)
        self._admission = admission
        self._accepting: Accepting | None = None
        self.is_draining = False

    @property
    def port(self) -> int:
        """The port that it really has."""
        assert self._accepting is not None
        return int(self._accepting.sockets[0].getsockname()[1])

    async def __aenter__(self) -> "Agent":
        """Answer from here on. Raises ConfigError if the address cannot be had."""
        if self._address is not None:
            sockets = await listen_tcp(f"tcp://{self._address}", "balancer.agent")
            self._accepting = Accepting(sockets, self._answer)
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._accepting is not None:
            await self._accepting.stop()

    async def _answer(self, sock: socket.socket, name: object) -> None:
        if self._admission.address_of(sock, name) is not None:
            with sock:  # a new socket takes a line at once
                sock.send(f"{self.line()}\n".encode())

    def line(self) -> str:
        """Return what is answered now."""
        if self.is_draining:
            return "drain"
        first = [engine for engine in self._engines if engine.name == self._engines[0].name]
        loads = [engine.load for engine in first if engine.status.phase in ABLE]
        if loads:  # all its GPUs'
            weight = percent(sum(load.free for load in loads), sum(load.slots for load in loads))
            return f"up ready {weight}%"
        if _any_in(PENDING, first):  # a sentence whose process is lost is spoken by the next one
            return f"drain # {first[0].name} is not ready"
        if _any_in(ABLE, self._engines):
            return f"drain # another engine speaks for {first[0].name}"
        if _any_in(PENDING, self._engines) or any(one.busy for one in self._admission.inside):
            return "drain # no engine can speak now"
        return "down # no engine can speak"


def _any_in(phases: Collection[Phase], engines: Sequence[Engine]) -> bool:
    return any(engine.status.phase in phases for engine in engines)


def percent(free: int, slots: int) -> int:
    """Return the weight of a server with so many free slots, or below 0 so many that wait: 100 with
    all free, 50 with none, then less.

    HAProxy counts its connections itself, and divides by the weight. One that went down to 0 with
    the slots would count them twice: where it sees all of them, more would wait. This one costs
    less of that, and spares those that speak to others, whom it does not see (docs/fleet.md).
    """
    if free >= 0:
        return round(50 + 50 * free / slots)
    return max(_LEAST, round(50 * slots / (slots - 2 * free)))
