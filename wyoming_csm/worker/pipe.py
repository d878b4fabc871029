"""The child's end of the pipe, and how long it may be silent on it before it counts as hung."""

import logging
import os
import signal
import sys
from collections.abc import Callable
from queue import SimpleQueue
from threading import Event, Thread
from typing import BinaryIO, NoReturn

import msgspec

from wyoming_csm.worker.protocol import FromChild, Heartbeat, ToChild, encode, read_to_child

_LOGGER = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 1.0
LEAST_SECONDS = 15.0  # of a computation on a CPU, which other programs may use
LEAST_ON_GPU_SECONDS = 10.0  # a frame takes milliseconds, a long prefill a second
MOST_SECONDS = 600.0
_MARGIN = 4.0  # over what is expected: other texts, other work on the machine


def limit_seconds(expected: float, least: float = LEAST_SECONDS) -> float:
    """Return the limit of a computation that should take `expected` seconds (see `Working`)."""
    return min(MOST_SECONDS, max(least, _MARGIN * expected))


class Child:
    """What the engine sends is put into `inbox` as it comes; `send` answers from any thread.

    It beats by itself, whatever the process does: one that is stopped, or has gone astray in what
    lets no other thread run, is silent. `gone` is called, in the reading or in a sending thread,
    when the engine's process is no more.
    """

    def __init__(self, source: BinaryIO, sink: BinaryIO, gone: Callable[[], None]) -> None:
        self.inbox: SimpleQueue[ToChild | None] = SimpleQueue()  # None only wakes
        self.source = source
        self.sink = sink
        self.gone = gone
        self._over = Event()

    @classmethod
    def over_stdio(cls) -> "Child":
        """Take standard input and output for the pipe, before anything can print.

        From then on input is empty and output goes to standard error, for this process and for
        what it starts: stray prints never reach the pipe, and nothing else reads from it.
        """
        source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        return cls(source, sink, leave)

    def start(self) -> None:
        """Read, and beat, in the background."""
        Thread(target=self._read, name="pipe", daemon=True).start()
        Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def send(self, message: FromChild) -> None:
        """Send a message; waits while the pipe is full."""
        try:
            self.sink.write(encode(message))  # whole: a buffered file locks itself
            self.sink.flush()
        except OSError:  # the other end was closed
            self._over.set()
            self.gone()

    def _read(self) -> None:
        try:
            while (message := read_to_child(self.source)) is not None:
                self.inbox.put(message)
        except (OSError, ValueError, msgspec.DecodeError) as error:
            _LOGGER.error("A message from the server cannot be read: %s", error)
        self._over.set()
        self.gone()

    def _beat(self) -> None:
        while not self._over.wait(HEARTBEAT_SECONDS):
            self.send(Heartbeat())


def leave() -> NoReturn:
    """End this process now, whatever its threads do, and with it all that it started."""
    if sys.platform != "win32" and os.getsid(0) == os.getpid():
        os.killpg(0, signal.SIGKILL)  # the session is ours alone: this is its leader
    os._exit(0)
