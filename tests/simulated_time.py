"""Simulated time for an event loop and for threads that work beside it: nothing is waited for."""

import asyncio
import math
import selectors
import threading
from collections.abc import Callable, Coroutine
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
PIPE_SECONDS = 0.0005  # from one end of a pipe to the other
TICKS = 2.0**29  # in a second: floats of whole ticks are added without an error


class JumpingSelector(selectors.DefaultSelector):
    """Where nothing happens, the clock jumps to the next timer."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if not events and timeout is None:
            raise AssertionError("nothing will ever happen again")
        if not events and timeout:
            self.now += timeout
            assert self.now < 3_600, "it never comes to its end"
        return events


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop with a clock of its own; work for other threads is done at once.

    A timer goes off at the first tick that is not before its time. Were it early by the error of a
    float, whoever compares its clock with a deadline would wait once more. A tick is longer than
    the nanosecond by which asyncio lets timers be early.
    """

    def __init__(self) -> None:
        self._jumping = JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        when = math.ceil(when * TICKS) / TICKS
        return super().call_at(when, callback, *args, context=context)

    def run_in_executor(  # type: ignore[override]
        self, executor: object, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # as an executor hands it on
            done.set_exception(error)
        return done


def simulate(scene: Coroutine[Any, Any, T]) -> T:
    """Run a scene to its end in simulated time."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(scene)


class Killed(BaseException):
    """Ends a worker's thread."""


class Worker(threading.Thread):
    """A thread in simulated time: it and the event loop take turns, so nothing depends on chance.

    `act` is what it does until it is killed; whatever takes time in there calls `sleep`, or waits
    for `inbox`. While it is paused it does nothing, and what takes time is not over.
    """

    def __init__(self, act: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self.inbox: Inbox = Inbox(self)
        self._act = act
        self._loop = asyncio.get_running_loop()
        self._mine, self._theirs = threading.Semaphore(0), threading.Semaphore(0)
        self._again: asyncio.TimerHandle | None = None
        self._until = 0.0
        self._listens = False
        self._paused = False
        self._killed = False
        self._fault: Exception | None = None
        self._outbox: list[tuple[float, Callable[[], None]]] = []

    # -- for the event loop

    def begin(self) -> None:
        self.start()
        self._schedule(self._loop.time())

    def wake(self) -> None:
        """If it waits for a message, it goes on now."""
        if self._listens:
            self._listens = False
            self._schedule(self._loop.time())

    def pause(self) -> None:
        self._paused = True
        if self._again is not None:
            self._again.cancel()

    def go_on(self) -> None:
        self._paused = False
        self._schedule(max(self._until, self._loop.time()))

    def kill(self) -> None:
        if not self._killed and self.is_alive():
            self._killed = True
            if self._again is not None:
                self._again.cancel()
            self._mine.release()
            self.join()

    def _go(self) -> None:
        self._listens = False
        self._mine.release()
        self._theirs.acquire()
        if self._fault is not None:
            raise self._fault
        outbox, self._outbox = self._outbox, []
        for seconds, call in outbox:
            self._loop.call_later(seconds, call)
        self._schedule(self._until)

    def _schedule(self, at: float) -> None:
        self._until = at
        if self._again is not None:
            self._again.cancel()
        if not self._paused and self.is_alive():
            self._again = self._loop.call_at(at, self._go)

    # -- for the thread

    def run(self) -> None:
        self._mine.acquire()
        try:
            if not self._killed:
                self._act()
        except Killed:
            pass
        except Exception as error:  # raised where the test sees it
            self._fault = error
        finally:
            self._theirs.release()

    def now(self) -> float:
        return self._loop.time()

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        """Have something done in the event loop."""
        self._outbox.append((seconds, call))

    def sleep(self, seconds: float, listening: bool = False) -> None:
        self._until, self._listens = self.now() + seconds, listening
        self._theirs.release()
        self._mine.acquire()
        if self._killed:
            raise Killed


class Inbox(SimpleQueue[Any]):
    """A queue whose reader waits in simulated time."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        super().put(item)
        self._worker.wake()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if block and self.empty():
            self._worker.sleep(1e6 if timeout is None else timeout, listening=True)
        return self.get_nowait()

    def get_nowait(self) -> Any:
        if self.empty():
            raise Empty
        return super().get_nowait()
