"""Looks at a disk that may not answer: what replicas share is silent for all of them at once.

A look that hangs cannot be ended, only left alone: in a thread for which neither a reply nor the
end of the process waits.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, wait
from functools import partial
from pathlib import Path
from threading import Lock, Thread
from typing import Any, NamedTuple, ParamSpec, TypeVar

_LOGGER = logging.getLogger(__name__)
_P = ParamSpec("_P")
_T = TypeVar("_T")

ANSWER_SECONDS = 1.0  # for a look; a disk that is well takes milliseconds
MOST = 4  # looks at once: so many threads hang at most
QUIET_SECONDS = 60.0  # between two warnings


class _Look(NamedTuple):
    future: Future[Any]
    do: Callable[[], Callable[[], None]]  # returns what tells the future


class Disk(Executor):
    """The disk below a folder. While one look there takes longer than it may, nobody else looks:
    they are told at once that the disk is silent, until that look is back."""

    def __init__(
        self, folder: Path | str, seconds: float = ANSWER_SECONDS, most: int = MOST
    ) -> None:
        """Take the `seconds` that a look may take, and how many there are at once."""
        self.seconds = seconds
        self._folder, self._most = folder, most
        self._lock = Lock()
        self._waiting: deque[_Look] = deque()
        self._begun: dict[Future[Any], float] = {}  # when, of those that are not back
        self._next_warning = 0.0

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Look, in a thread; cancel what is not waited for any more. Where no thread can be had, it
        ends with an OSError. Raises TimeoutError while the disk is silent."""
        future: Future[_T] = Future()
        with self._lock:
            oldest = min(self._begun.values(), default=None)
            if oldest is not None and time.monotonic() - oldest > self.seconds:
                raise self.silent()
            self._waiting.append(
                _Look(future, partial(_done, future, partial(fn, *args, **kwargs)))
            )
            look = self._next() if len(self._begun) < self._most else None
        self._start(look)
        return future

    def ask(self, look: Callable[[], _T], seconds: float | None = None) -> _T:
        """Look, and wait for it, so long at most. Raises TimeoutError, which is an OSError, if the
        disk is silent, and what the look does."""
        future = self.submit(look)
        wait([future], self.seconds if seconds is None else seconds)
        if not future.done():
            future.cancel()
            raise self.silent()
        return future.result()

    def silent(self) -> TimeoutError:
        """Return the error that says that the disk does not answer, and log it now and then."""
        if time.monotonic() >= self._next_warning:
            self._next_warning = time.monotonic() + QUIET_SECONDS
            _LOGGER.warning(
                "The disk of %s does not answer: no reply waits for it, and what is known of it"
                " counts on. See whether its server runs, and whether this machine reaches it",
                self._folder,
            )
        return TimeoutError(f"the disk of {self._folder} does not answer")

    def _next(self) -> _Look | None:
        """Return the look that begins now, and note it; None: none waits."""
        while self._waiting:
            look = self._waiting.popleft()
            if look.future.set_running_or_notify_cancel():
                self._begun[look.future] = time.monotonic()
                return look
        return None

    def _start(self, look: _Look | None) -> None:
        while look is not None:
            try:
                Thread(target=self._work, args=(look,), name="disk", daemon=True).start()
                return
            except RuntimeError as error:  # the system gives no thread
                failed, why = look.future, OSError(str(error))
                with self._lock:
                    del self._begun[failed]
                    look = self._next()  # which came meanwhile, and waits for this one
                failed.set_exception(why)

    def _work(self, look: _Look | None) -> None:
        """Look, and go on with those that came meanwhile."""
        while look is not None:
            tell = look.do()
            with self._lock:
                del self._begun[look.future]
                look = self._next()
            tell()


def _done(future: Future[_T], look: Callable[[], _T]) -> Callable[[], None]:
    """Look, and return what tells the future of it."""
    try:
        return partial(future.set_result, look())
    except Exception as error:
        return partial(future.set_exception, error)
