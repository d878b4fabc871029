"""One child process after another: probed for, started, listened to, ended, started again."""

import asyncio
import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from wyoming_csm.engines.base import PENDING, Phase, Status
from wyoming_csm.engines.process import ChildProcess
from wyoming_csm.engines.watchdog import STALL_SECONDS, HoldOff, Timeouts, Watchdog
from wyoming_csm.errors import EngineUnavailable, Unsuited, WorkerDied
from wyoming_csm.worker import protocol

_LOGGER = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "wyoming_csm.worker")


class Owner(Protocol):
    """What a supervisor works for."""

    def receive(self, message: protocol.FromChild) -> None:
        """Take a message of a child: what it is (`Identified`), then from `Ready` on all."""

    def lost(self, why: str) -> None:
        """Give up all that was asked of the child: it is gone, or about to be."""

    def changed(self) -> None:
        """Note that `status` became another."""

    @property
    def idle_seconds(self) -> float:
        """Return for how long the ready child has had no reply to speak; 0 while it has one."""


class Supervisor:
    """Owns the child's life in one task; see `ChildEngine` for the parameters.

    Asleep, a fresh child stands by with its packages imported, so that waking is loading alone.
    Example: idle for ten minutes, child 1 is ended (ASLEEP), and child 2 starts with
    `_stands_by`. As soon as it runs it is `_standby` and told to prepare. If it dies now, nothing
    is said: another is started when `_woken` is set. A request wakes: WAKING, `_woken` is set, and
    child 2 is configured at once, or when its process is there; from then on both flags are down
    and it is a child like any other, whose death counts.
    """

    def __init__(
        self,
        name: str,
        configure: protocol.Configure,
        owner: Owner,
        *,
        probe: Callable[[], None],
        patience: Timeouts,
        command: Sequence[str],
    ) -> None:
        self._name = name
        self._configure = configure
        self._owner = owner
        self._probe = probe
        self._patience = patience
        self._command = command
        self._status = Status(Phase.ABSENT, "not started")
        self._loaded = asyncio.Event()
        self._loaded.set()
        self._hold_off = HoldOff(patience)
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._child: ChildProcess | None = None
        self._detail = ""  # what the child said of itself when it was ready
        self._standby: Watchdog | None = None
        self._stands_by = False

    @property
    def status(self) -> Status:
        return self._status

    @property
    def child(self) -> ChildProcess | None:
        """Return the child, if it is ready."""
        return self._child

    async def wait_loaded(self) -> None:
        """Wait until it is ready, or will not be before long."""
        await self._loaded.wait()

    def wake(self) -> None:
        """Load again, if it is asleep."""
        if self._status.phase is not Phase.ASLEEP:
            return
        _LOGGER.info("%s is loading again: a request came", self._name)
        self._become(Phase.WAKING, "loading again")
        self._woken.set()
        if self._standby is not None:
            with suppress(WorkerDied):  # its watch finds out the same
                self._configure_child(self._standby)

    def start(self) -> None:
        """Begin, unless it has; if it waits to try again, it does so now."""
        if self._task is not None and not self._task.done():
            if self._status.phase in (Phase.ABSENT, Phase.RESTING):
                self._become(Phase.STARTING, "trying again")
                self._hold_off.forget()
                self._hold_off.shorten(0)
            return
        self._hold_off.forget()
        self._become(Phase.STARTING)
        self._stopping = False
        self._task = asyncio.create_task(self._supervise(), name=f"engine {self._name}")
        self._task.add_done_callback(self._supervised)

    def hurry(self) -> None:
        """Let it not wait for long to try again: no other engine can speak."""
        match self._status.phase:
            case Phase.RESTING:
                self._hold_off.shorten(self._patience.mute)
            case Phase.ABSENT:  # for what may pass by itself
                self._hold_off.shorten(self._patience.mute_retry)

    async def stop(self) -> None:
        """End the child, and the watch over it. Safe to call twice."""
        if self._task is None:
            return
        # A second cancellation would cut short the ending. `cancelling()` does not tell: a timeout
        # within the task, which expires just now, counts there, too.
        if not self._stopping:
            self._stopping = True
            self._task.cancel()
        await asyncio.wait([self._task])
        self._become(Phase.ABSENT, "stopped")

    async def _supervise(self) -> None:
        """Run until it is stopped, or turns out to be unable to run here for good."""
        while True:
            try:
                await self._look_for_it()
                await self._live_on()
            except WorkerDied as death:
                self._rest(str(death))
            except EngineUnavailable as unavailable:
                if unavailable.passing:
                    self._hold_off.away()
                # Whereupon `hurry` may shorten the wait.
                self._become(Phase.ABSENT, str(unavailable), isinstance(unavailable, Unsuited))
                if not unavailable.passing:
                    level = logging.INFO if unavailable.expected else logging.WARNING
                    _LOGGER.log(level, "%s is left out: %s", self._name, unavailable)
                    return
                _LOGGER.warning(
                    "%s is left out: %s; it is tried again in %.0f s",
                    *(self._name, unavailable, self._hold_off.left),
                )
            await self._hold_off.over()
            self._become(Phase.STARTING, "trying again")

    async def _look_for_it(self) -> None:
        """Raise EngineUnavailable if it cannot run here, or cannot be looked for just now."""
        try:
            await asyncio.to_thread(self._probe)
        except (OSError, RuntimeError) as error:  # no descriptor or no thread is left, a disk fails
            raise EngineUnavailable(
                f"it cannot be looked for ({error})", "", passing=True
            ) from error

    def _rest(self, why: str) -> None:
        news = self._hold_off.rest(why)
        detail = f"failed {self._hold_off.deaths} times one after another, tried again later: {why}"
        self._become(Phase.RESTING, detail)  # whereupon `hurry` may shorten the rest
        _LOGGER.log(
            logging.WARNING if news else logging.DEBUG,
            "%s failed too often, tried again in %.0f s: %s. SIGHUP tries at once",
            *(self._name, self._hold_off.left, why),
        )

    async def _live_on(self) -> None:
        """Run one child after another. Raises WorkerDied when it is to rest, EngineUnavailable."""
        while True:
            self._stands_by = self._status.phase is Phase.ASLEEP
            try:
                await self._live()
            except WorkerDied as death:
                if self._stands_by:  # it is not missed before a request
                    _LOGGER.debug("%s: the standby process ended: %s", self._name, death)
                    await self._woken.wait()
                elif self._hold_off.died():
                    seconds = self._hold_off.left
                    _LOGGER.warning("%s: %s; it starts again in %.1f s", self._name, death, seconds)
                    self._become(Phase.STARTING, f"starting again: {death}")
                    await self._hold_off.over()
                else:
                    raise

    async def _live(self) -> None:
        """Run one child until it has no work. Raises WorkerDied, EngineUnavailable."""
        child = await ChildProcess.spawn(self._command)
        _LOGGER.debug("%s: process %d", self._name, child.pid)
        watch = Watchdog(child, self._patience, self._stall)
        try:
            if self._status.phase is Phase.ASLEEP:
                self._standby = watch
                child.send(protocol.Prepare(self._configure.engine))
            else:
                self._configure_child(watch)
            await self._listen(child, watch)
            self._fall_asleep()
        except WorkerDied as death:
            self._lose(str(death))  # before its end, which may take a while
            raise WorkerDied(f"{death} ({await child.end()})") from None
        finally:
            self._standby = None
            self._lose("it was stopped")
            try:
                await child.end()
            finally:
                await child.end()  # a stop meanwhile waits for that, too

    def _configure_child(self, watch: Watchdog) -> None:
        watch.configure(self._configure)
        self._standby, self._stands_by = None, False

    async def _listen(self, child: ChildProcess, watch: Watchdog) -> None:
        """Take its messages until it was idle for long: a ready child beats, so that is seen."""
        while not (self._child and self._is_tired()):
            message = await watch.receive()
            if self._status.phase is Phase.STALLED:
                self._become(Phase.READY, self._detail)
            match message:
                case protocol.Starting(detail):
                    _LOGGER.info("%s: %s", self._name, detail)
                    waking = self._status.phase is Phase.WAKING
                    self._become(Phase.WAKING if waking else Phase.STARTING, detail)
                case protocol.Unavailable(reason, cure, passing, unsuited):
                    if unsuited:
                        raise Unsuited(reason, cure)
                    raise EngineUnavailable(reason, cure, passing=passing)
                case protocol.Ready(detail, slots):
                    _LOGGER.info("%s is ready: %s; slots: %d", self._name, detail, slots)
                    self._child, self._detail = child, detail
                    self._hold_off.loaded()
                    self._owner.receive(message)
                    self._become(Phase.READY, detail)
                case _:
                    if isinstance(message, protocol.Done) and self._hold_off.deaths:
                        self._hold_off.forget()
                    self._owner.receive(message)

    def _is_tired(self) -> bool:
        idle = self._patience.idle
        return idle is not None and self._owner.idle_seconds >= idle

    def _fall_asleep(self) -> None:
        _LOGGER.info(
            "%s is unloaded, no request came for a while; the next one loads it again", self._name
        )
        self._child = None
        self._woken.clear()
        self._become(Phase.ASLEEP, "unloaded until the next request")

    def _stall(self) -> None:
        if self._child is not None:
            self._become(Phase.STALLED, f"its process has been silent for {STALL_SECONDS} s")

    def _lose(self, why: str) -> None:
        """Let no sentence wait for a child that is gone, or be given to it."""
        if self._child is not None:
            self._child = None
            self._become(Phase.STARTING, why)
            self._owner.lost(why)

    def _become(self, phase: Phase, detail: str = "", unsuited: bool = False) -> None:
        before = self._status.phase
        assert before.may_become(phase), f"{self._name}: from {before} to {phase}"
        self._status = Status(phase, detail, unsuited)
        if phase in PENDING:
            self._loaded.clear()
        else:
            self._loaded.set()
        self._owner.changed()

    def _supervised(self, task: "asyncio.Task[None]") -> None:
        """Leave nothing waiting for ever for what a fault in this file ended."""
        if not task.cancelled() and (fault := task.exception()) is not None:
            _LOGGER.error("%s: its supervision failed", self._name, exc_info=fault)
            self._lose("its supervision failed")
            self._become(Phase.ABSENT, f"a fault of this program: {fault}")
