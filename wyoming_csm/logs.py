"""How the log is written, here and in the children: never with the password of an address."""

import logging
import re
import sys

_USER = re.compile(r"(?<=://)[^\s/?#'\"]*@")


def without_passwords(words: str) -> str:
    """Return the words, with a mark in place of users and passwords, as of https://me:word@host."""
    return _USER.sub("***@", words)


class Lines(logging.Formatter):
    """Formats as ever, with what errors and libraries tell; it has no passwords any more."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and the traceback below it."""
        return without_passwords(super().format(record))


def start_logging(level: str, form: str) -> None:
    """Write the log to standard error; `form` is as Python's logging has it. Raises ValueError
    where that sees at once that it is none."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(form))
    logging.basicConfig(level=level, handlers=[handler])
