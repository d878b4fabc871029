"""One child process after another: probed for, started, listened to, started again."""

import asyncio
import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn, Protocol

from wyoming_csm.engines.base import Phase, Status
from wyoming_csm.engines.process import ChildProcess
from wyoming_csm.errors import EngineUnavailable, WorkerDied
from wyoming_csm.worker.protocol import Configure, Done, FromChild, Ready, Starting, Unavailable

_LOGGER = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "wyoming_csm.worker")
SILENT_SECONDS = 120.0  # while it loads; it beats from a thread of its own
DEATHS_IN_A_ROW = 5
LONGEST_DELAY = 30.0
LONGEST_RETRY = 900.0  # for what may pass by itself, as a network that is away


class Listener(Protocol):
    """Who a supervisor works for."""

    def heard(self, message: FromChild) -> None:
        """From a child that is ready; `Ready` itself is the first."""

    def lost(self, why: str) -> None:
        """The child is gone, or about to be: nothing asked of it will be answered."""

    def changed(self) -> None:
        """`status` became another."""


class Supervisor:
    """Owns the child's life in one task; see `WorkerEngine` for the parameters."""

    def __init__(
        self,
        configure: Configure,
        listener: Listener,
        *,
        probe: Callable[[], None],
        hang_seconds: float,
        start_seconds: float,
        restart_seconds: float,
        retry_seconds: float,
        command: Sequence[str],
    ) -> None:
        self._configure = configure
        self._name = configure.engine
        self._listener = listener
        self._probe = probe
        self._hang_seconds = hang_seconds
        self._start_seconds = start_seconds
        self._restart_seconds = restart_seconds
        self._retry_seconds = retry_seconds
        self._command = command
        self._status = Status(Phase.ABSENT, "not started")
        self._settled = asyncio.Event()
        self._settled.set()
        self._again = asyncio.Event()  # somebody asks for another try
        self._task: asyncio.Task[None] | None = None
        self._child: ChildProcess | None = None
        self._deaths = 0  # without a sentence spoken to its end in between

    @property
    def status(self) -> Status:
        return self._status

    @property
    def child(self) -> ChildProcess | None:
        """Only while it is ready."""
        return self._child

    async def wait_settled(self) -> None:
        await self._settled.wait()

    def start(self) -> None:
        """Unless it runs already; one that waits to try again need not wait."""
        if self._task is not None and not self._task.done():
            if self._status.phase is Phase.ABSENT:
                self._become(Phase.STARTING, "trying again")
                self._again.set()
            return
        self._become(Phase.STARTING)
        self._task = asyncio.create_task(self._supervise(), name=f"engine {self._name}")
        self._task.add_done_callback(self._supervised)

    async def stop(self) -> None:
        if self._task is None:
            return
        if not self._task.cancelling():  # a second cancellation would cut short the ending
            self._task.cancel()
        await asyncio.wait([self._task])
        self._become(Phase.ABSENT, "stopped")

    async def _supervise(self) -> None:
        """Until it is stopped, rests, or turns out to be unable to run here for good."""
        delay = self._retry_seconds
        while True:
            try:
                await asyncio.to_thread(self._probe)
                await self._live_on()
                return
            except EngineUnavailable as unavailable:
                self._become(Phase.ABSENT, str(unavailable))
                if not unavailable.passing:
                    _LOGGER.warning("%s is left out: %s", self._name, unavailable)
                    return
                _LOGGER.warning(
                    "%s is left out: %s; it is tried again in %.0f s",
                    self._name,
                    unavailable,
                    delay,
                )
            self._again.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._again.wait()
            delay = min(LONGEST_RETRY, delay * 2)
            self._become(Phase.STARTING, "trying again")

    async def _live_on(self) -> None:
        """One child after another, until it rests. Raises EngineUnavailable."""
        self._deaths = 0
        while self._deaths < DEATHS_IN_A_ROW:
            try:
                await self._live()
            except WorkerDied as death:
                self._deaths += 1
                await self._mourn(death)

    async def _live(self) -> NoReturn:
        """One child's life. Raises WorkerDied, or EngineUnavailable as the child said."""
        child = await ChildProcess.spawn(self._command)
        _LOGGER.debug("%s: process %d", self._name, child.pid)
        try:
            child.send(self._configure)
            await self._listen(child)
        except WorkerDied as death:
            self._lose(str(death))  # before its end, which may take a while
            raise WorkerDied(f"{death} ({await child.end()})") from None
        finally:
            self._lose("it was stopped")
            await child.end()

    async def _listen(self, child: ChildProcess) -> NoReturn:
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._start_seconds
        while True:
            loading = min(SILENT_SECONDS, deadline - clock())
            try:
                async with asyncio.timeout(self._hang_seconds if self._child else loading):
                    message = await child.receive()
            except TimeoutError:
                raise WorkerDied("its process hangs") from None
            match message:
                case Starting(detail):
                    deadline = clock() + self._start_seconds
                    _LOGGER.info("%s: %s", self._name, detail)
                    self._become(Phase.STARTING, detail)
                case Unavailable(reason, cure, passing):
                    raise EngineUnavailable(reason, cure, passing=passing)
                case Ready(detail, slots):
                    _LOGGER.info("%s is ready: %s; slots: %d", self._name, detail, slots)
                    self._child = child
                    self._listener.heard(message)
                    self._become(Phase.READY, detail)
                case Done():
                    self._deaths = 0
                    self._listener.heard(message)
                case _:
                    self._listener.heard(message)

    def _lose(self, why: str) -> None:
        """Nobody is asked to wait for, or choose, what is gone."""
        if self._child is not None:
            self._child = None
            self._become(Phase.STARTING, why)
            self._listener.lost(why)

    async def _mourn(self, death: WorkerDied) -> None:
        """Hold off before the next life, longer each time; at last, rest."""
        if self._deaths == DEATHS_IN_A_ROW:
            detail = f"failed {DEATHS_IN_A_ROW} times in a row: {death}"
            _LOGGER.warning("%s rests: %s. SIGHUP makes it try again", self._name, detail)
            self._become(Phase.RESTING, detail)
            return
        delay = min(LONGEST_DELAY, self._restart_seconds * 2 ** (self._deaths - 1))
        _LOGGER.warning("%s: %s; it starts again in %.1f s", self._name, death, delay)
        self._become(Phase.STARTING, f"starting again: {death}")
        await asyncio.sleep(delay)

    def _become(self, phase: Phase, detail: str = "") -> None:
        self._status = Status(phase, detail)
        if phase is Phase.STARTING:
            self._settled.clear()
        else:
            self._settled.set()
        self._listener.changed()

    def _supervised(self, task: "asyncio.Task[None]") -> None:
        """A fault in this file must not leave others waiting for ever."""
        if not task.cancelled() and (fault := task.exception()) is not None:
            _LOGGER.error("%s: its supervision failed", self._name, exc_info=fault)
            self._lose("its supervision failed")
            self._become(Phase.ABSENT, f"a fault of this program: {fault}")
