"""What a person sees in a terminal: tables, and how far something is that takes its time.

With `rich`, which comes with the packages of CSM and Coqui, and a terminal to draw on: colours and
moving bars. Else plain lines, which also serve a log, a pipe and a reader for the blind.
"""

import re
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TextIO

PLAIN_SECONDS = 10.0  # between two lines of the same kind where nothing can be drawn over
Tell = Callable[[str], None]

_OF = re.compile(r"(\d+) of (\d+) (\S+)")  # how downloads tell how far they are


def is_rich(stream: TextIO) -> bool:
    """Return whether rich is installed and can draw on this stream."""
    return stream.isatty() and find_spec("rich") is not None


def table(head: Sequence[str], rows: Sequence[Sequence[str]], stream: TextIO | None = None) -> None:
    """Print a table; all columns but the first are numbers, on the right."""
    stream = stream or sys.stdout
    if is_rich(stream):
        from rich.box import SIMPLE
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        drawn = Table(box=SIMPLE)
        for number, name in enumerate(head):
            drawn.add_column(name, justify="right" if number else "left")
        for row in rows:
            drawn.add_row(*map(Text, row))
        Console(file=stream).print(drawn)
        return
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        first, *numbers = (
            cell.rjust(width) if number else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join([first, *numbers]).rstrip(), file=stream)


_COLOURS = {"ok": "32", "warn": "33", "fail": "31", "skip": "2"}


def judged(
    level: str, name: str, found: str, cure: str, stream: TextIO | None = None, width: int = 100
) -> None:
    """Print one judgement, and below it what helps; `level`: ok, warn, fail or skip."""
    stream = stream or sys.stdout
    mark = f"{level:<4}"
    if stream.isatty():
        mark = f"\x1b[{_COLOURS[level]}m{mark}\x1b[0m"
    wrap = textwrap.TextWrapper(
        width - 17, subsequent_indent=" " * 17, break_long_words=False, break_on_hyphens=False
    )
    print(mark, f"{name:<11}", wrap.fill(found) or "-", file=stream)
    if cure:
        wrap.initial_indent = wrap.subsequent_indent = " " * 17
        wrap.width = width
        print(wrap.fill(f"→ {cure}"), file=stream)


def passing(words: str, stream: TextIO | None = None) -> None:
    """Show words on a terminal until the next ones, or "", come; nothing anywhere else."""
    stream = stream or sys.stderr
    if stream.isatty():
        print(f"\r\x1b[K{words}", end="", file=stream, flush=True)


@contextmanager
def progress(
    stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
) -> Iterator[Tell]:
    """Give what is to be called with each word on how far it is: "x: 12 of 40 MB" is a bar.

    Without a terminal, of lines that differ in numbers alone one each ten seconds is printed.
    """
    stream = stream or sys.stderr
    if not is_rich(stream):
        yield _Lines(stream, clock).tell
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        *(SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24)),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(file=stream), transient=True) as bars:
        task = bars.add_task("", total=None)

        def tell(detail: str) -> None:
            far = _OF.search(detail)
            so_far, total = (float(far[1]), float(far[2])) if far else (0.0, None)
            bars.update(task, description=escape(detail), completed=so_far, total=total)

        yield tell


class _Lines:
    """Prints what is new, and of what goes on a line now and then."""

    def __init__(self, stream: TextIO, clock: Callable[[], float]) -> None:
        self._stream, self._clock = stream, clock
        self._kind, self._at = "", -PLAIN_SECONDS

    def tell(self, detail: str) -> None:
        """Print it, unless the same with other numbers was printed just now."""
        kind, now = re.sub(r"[\d.]+", "", detail), self._clock()
        if detail and (kind != self._kind or now - self._at >= PLAIN_SECONDS):
            print(detail, file=self._stream, flush=True)
            self._kind, self._at = kind, now
