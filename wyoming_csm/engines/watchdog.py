"""How long a child may be silent, or compute, and how long to wait before the next one."""

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from wyoming_csm.engines.process import ChildProcess
from wyoming_csm.errors import WorkerDied
from wyoming_csm.within import abandon
from wyoming_csm.worker import protocol

LOOK_SECONDS = 1.0  # between two looks at the clock
STALL_SECONDS = 3.5  # without a message of a ready child: three heartbeats are missed
BELIEVED_SECONDS = 2.0  # of the time between two looks: in the rest we did not run ourselves
MOST_DEATHS = 5
LONGEST_DELAY = 30.0  # before a restart
LONGEST_RETRY = 900.0  # for what may pass by itself, as a network that is away


@dataclass(frozen=True)
class Timeouts:
    """The times, in seconds, after which something is done about a child.

    - `silent`: a ready child that sends nothing at all for so long is stopped or gone astray, and
      is ended. It beats each second from a thread of its own, also while it computes. How long
      one computation may take, the child says (`Working`).
    - `loading`: the same for a child that is not ready yet: loading a library may hold the
      interpreter, and with it the beating thread, for long.
    - `start`: a loading child that reports no progress (`Starting`) for so long is ended, even if
      it beats.
    - `restart`: before the first restart; doubled at each, 30 s at most.
    - `rests`: after so many failures that no restart follows, the first time, the second, …
    - `mute`: no rest is longer while no other engine can speak.
    - `retry`: before another look after a reason that may pass by itself; doubled at each until
      it loads, 15 minutes at most.
    - `mute_retry`: no such wait is longer while no other engine can speak. Longer than `mute`: a
      look may ask a hub, which has others to serve.
    - `idle`: a ready child without a reply to speak for so long is ended; None: never.
    """

    silent: float = 15.0
    loading: float = 120.0
    start: float = 1_800.0
    restart: float = 0.5
    rests: tuple[float, ...] = (120.0, 300.0, 900.0)
    mute: float = 15.0
    retry: float = 60.0
    mute_retry: float = 30.0
    idle: float | None = None


def running_clock(clock: Callable[[], float]) -> Callable[[], float]:
    """Return a clock of the seconds in which this process ran, if it is looked at each second.

    When it was stopped, frozen or asleep with its machine, or too busy to listen, a child is not
    blamed for its messages that were not read meanwhile.
    """
    looked, ran = clock(), 0.0

    def now() -> float:
        nonlocal looked, ran
        before, looked = looked, clock()
        ran += min(looked - before, BELIEVED_SECONDS)
        return ran

    return now


class Watchdog:
    """Reads the messages of one child, which may neither be silent nor compute for too long."""

    def __init__(
        self, child: ChildProcess, patience: Timeouts, stalled: Callable[[], None] = lambda: None
    ) -> None:
        """Call `stalled` each time when the child, being ready, is silent for STALL_SECONDS; its
        next message shows that it goes on."""
        self._child = child
        self._patience = patience
        self._stalled = stalled
        self._clock = running_clock(asyncio.get_running_loop().time)
        self._beat_due = self._clock() + patience.loading
        self._stall_due = math.inf
        self._work_due = math.inf  # its next word about its loading, or from its working loop
        self._limit = patience.silent  # of a computation, until it says how long one takes
        self._ready = False

    def configure(self, first: protocol.Configure) -> None:
        """Let it load now. Raises WorkerDied."""
        self._child.send(first)
        self._work_due = self._clock() + self._patience.start

    async def receive(self) -> protocol.FromChild:
        """Return the next message. Raises WorkerDied, also when none comes in time."""
        receiving = asyncio.ensure_future(self._child.receive())
        try:
            while not receiving.done():
                now = self._clock()
                left = min(self._beat_due, self._work_due) - now
                if left <= 0:
                    self._child.kill()  # it would not go when asked
                    raise WorkerDied(self._what_is_wrong(now))
                if now >= self._stall_due:
                    self._stall_due = math.inf
                    self._stalled()
                left = min(left, self._stall_due - now, LOOK_SECONDS)
                await asyncio.wait([receiving], timeout=left)
        finally:
            abandon(receiving)
        self._note(message := receiving.result())
        return message

    def _what_is_wrong(self, now: float) -> str:
        if self._beat_due - now < self._allowed_silence / 2:
            return "its process is stopped, or does nothing any more"
        if not self._ready:
            return "its process hangs while it loads"
        return f"its process hangs: one computation takes longer than {self._limit:.0f} s"

    @property
    def _allowed_silence(self) -> float:
        return self._patience.silent if self._ready else self._patience.loading

    def _note(self, message: protocol.FromChild) -> None:
        now = self._clock()
        self._ready = self._ready or isinstance(message, protocol.Ready)
        self._beat_due = now + self._allowed_silence
        self._stall_due = now + STALL_SECONDS if self._ready else math.inf
        match message:
            case protocol.Heartbeat():
                return  # of a thread of its own
            case protocol.Working(seconds):
                self._limit = seconds
            case protocol.Starting():
                self._work_due = now + self._patience.start
        if self._ready:
            self._work_due = now + self._limit


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
        if self.deaths >= MOST_DEATHS:
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
        return max(0.0, self._until - asyncio.get_running_loop().time())

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
        self._until = asyncio.get_running_loop().time() + seconds
