"""A log that a flood of bad peers cannot fill: one line of a kind at a time."""

import logging
import time

QUIET_SECONDS = 10.0


class RateLimitedLog:
    """Logs at most once in `seconds` for each kind; the next line tells how many were left out.

    A kind is a word of the program, never of a peer: so their number is bounded.
    """

    def __init__(self, logger: logging.Logger, seconds: float = QUIET_SECONDS) -> None:
        self._logger = logger
        self._seconds = seconds
        self._next: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def warning(self, kind: str, message: str, *args: object) -> None:
        """Log `message % args` at WARNING, or only count it."""
        self._log(logging.WARNING, kind, message, args, None)

    def exception(
        self, kind: str, message: str, *args: object, error: BaseException | None = None
    ) -> None:
        """Log `message % args` at ERROR with the traceback of the error, or of what is handled, or
        only count it."""
        self._log(logging.ERROR, kind, message, args, error or True)

    def _log(
        self,
        level: int,
        kind: str,
        message: str,
        args: tuple[object, ...],
        exc_info: BaseException | bool | None,
    ) -> None:
        now = time.monotonic()
        if now < self._next.get(kind, now):
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return
        self._next[kind] = now + self._seconds
        left_out = self._left_out.pop(kind, 0)
        more = f" (and {left_out} more like it before)" if left_out else ""
        self._logger.log(level, message + "%s", *args, more, exc_info=exc_info)
