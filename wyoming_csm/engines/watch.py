"""How long a child may be silent, and how long to hold off: a child's messages under a watch."""

import asyncio
import math
from dataclasses import dataclass

from wyoming_csm.engines.process import ChildProcess
from wyoming_csm.errors import WorkerDied
from wyoming_csm.worker.protocol import Configure, FromChild, Prepare, Ready, Starting

SILENT_SECONDS = 120.0  # while it loads; it beats from a thread of its own, also while it compiles


@dataclass(frozen=True)
class Patience:
    """In seconds.

    - `hang`: a ready child that sends nothing at all for so long is ended. A child beats each
      second between computations, so this must exceed its longest single one.
    - `start`: the same for a loading child that reports no progress (`Starting`).
    - `restart`: before the first restart; doubled at each, 30 s at most.
    - `retry`: the same after a reason that may pass by itself; 15 minutes at most.
    - `idle`: a ready child that nobody has had use for so long is ended; None: never.
    """

    hang: float
    start: float = 1_800.0
    restart: float = 0.5
    retry: float = 60.0
    idle: float | None = None


class Watch:
    """Listens to one child, which may not be silent for too long."""

    def __init__(self, child: ChildProcess, patience: Patience) -> None:
        self._child = child
        self._patience = patience
        self._clock = asyncio.get_running_loop().time
        self._deadline = math.inf  # of its next word about its loading
        self._ready = False

    def prepare(self, engine: str) -> None:
        """It may take any time, as long as it beats. Raises WorkerDied."""
        self._child.send(Prepare(engine))

    def configure(self, first: Configure) -> None:
        """It is to load now. Raises WorkerDied."""
        self._child.send(first)
        self._deadline = self._clock() + self._patience.start

    async def receive(self) -> FromChild:
        """The next message. Raises WorkerDied, also when none comes in time."""
        loading = min(SILENT_SECONDS, self._deadline - self._clock())
        try:
            async with asyncio.timeout(self._patience.hang if self._ready else loading):
                message = await self._child.receive()
        except TimeoutError:
            raise WorkerDied("its process hangs") from None
        if isinstance(message, Starting):
            self._deadline = self._clock() + self._patience.start
        self._ready = self._ready or isinstance(message, Ready)
        return message
