"""Work in pieces that a thread of its own does while nobody speaks."""

from collections.abc import Iterator
from threading import Event, Thread


class IdleThread:
    """It begins with the first quiet moment, and stops between two pieces when one ends."""

    def __init__(self, pieces: Iterator[None]) -> None:
        """`pieces` must bear that the process ends at any time."""
        self._pieces = pieces
        self._quiet = Event()
        self._thread: Thread | None = None

    def go(self) -> None:
        """Nobody speaks."""
        self._quiet.set()
        if self._thread is None:
            self._thread = Thread(target=self._run, daemon=True)
            self._thread.start()

    def pause(self) -> None:
        """Somebody does: at most the piece that was begun is finished."""
        self._quiet.clear()

    def _run(self) -> None:
        for _ in self._pieces:
            self._quiet.wait()
