"""The command: servers in turns, then more and more streams at once; a table and a line of JSON."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from statistics import median
from time import time
from typing import Any
from urllib.parse import urlsplit

from wyoming_csm.bench import openai_server, wyoming_server
from wyoming_csm.bench.openai_server import KEY
from wyoming_csm.bench.reply import Reply
from wyoming_csm.command_words import MOST_STREAMS
from wyoming_csm.errors import RequestError
from wyoming_csm.logs import without_passwords
from wyoming_csm.terminal import progress, table

# Each time another number: a server that stored what it said would be timed at finding it.
TEXT = (
    "Message {n}. The front door has been open for ten minutes, and the light in the kitchen is"
    " on. Shall I turn it off?"
)
_KINDS = {"tcp": "Wyoming", "unix": "Wyoming", "http": "OpenAI's API", "https": "OpenAI's API"}

Speak = Callable[[str, str], Awaitable[Reply]]  # a server's address, a text


@dataclass(frozen=True)
class Task:
    """What is to be timed: `rounds` of each server in turns, then up to `streams` at once.

    `{n}` in the text is another number each time; `timeout` in seconds is for one reply.
    """

    uris: tuple[str, ...]
    text: str | None = None
    voice: str | None = None
    rounds: int = 5
    streams: int = 4
    timeout: float = 60.0
    model: str = "tts-1"
    plot: Path | None = None


@dataclass
class Timed:
    """What came of one server."""

    uri: str
    replies: list[Reply] = field(default_factory=list)  # one at a time
    failed: list[str] = field(default_factory=list)  # why, of those that did not come whole
    streams: int = 0  # that were held in real time, all at once
    tried: int = 0  # of them

    def numbers(self) -> dict[str, Any]:
        """Return what is told of it; seconds, none where no reply came whole."""
        gaps = [gap for reply in self.replies for gap in reply.gaps]
        found: dict[str, Any] = {"uri": self.uri, "replies": len(self.replies)}
        if self.replies:
            found |= {
                "ttfa_s": median(reply.ttfa for reply in self.replies),
                "ttfa_s_most": max(reply.ttfa for reply in self.replies),
                "rtf": median(reply.rtf for reply in self.replies),
                "sound_s": median(reply.seconds for reply in self.replies),
                "gaps": len(gaps),
                "gap_s_most": max(gaps, default=0.0),
            }
        return {
            **{name: round(x, 4) if isinstance(x, float) else x for name, x in found.items()},
            "streams": self.streams,
            "streams_tried": self.tried,
            "failed": self.failed,
        }


def bench(task: Task) -> int:
    """Time the servers and print what came of it; return the exit code: 1 if one gave no reply.

    Raises RequestError for an address that is none, or a picture that cannot be written.
    """
    for uri in task.uris:
        _check(uri)
    if task.plot is not None:
        from wyoming_csm.bench.plot import require_matplotlib

        require_matplotlib(task.plot)
    found = asyncio.run(run(task))
    _print(found)
    if task.plot is not None:
        from wyoming_csm.bench.plot import plot

        plot(found, task.plot)
        print(f"{task.plot} shows it")
    print(json.dumps({"bench": [timed.numbers() for timed in found]}))
    return 0 if all(timed.replies for timed in found) else 1


def _check(uri: str) -> None:
    try:
        parts = urlsplit(uri)
        named = bool(parts.path[1:] if parts.scheme == "unix" else parts.hostname)
        whole = parts.scheme in _KINDS and named and (parts.scheme != "tcp" or parts.port)
    except ValueError:
        whole = False
    if whole and "@" in parts.netloc:
        raise RequestError(f"the user in {without_passwords(uri)} is not sent: give a key as {KEY}")
    if not whole:
        raise RequestError(
            f"{without_passwords(uri)!r} is not like tcp://192.168.1.5:10200 or http://192.168.1.5:8002/v1"
        )


async def run(task: Task) -> list[Timed]:
    """Time the servers; one that cannot be spoken with at all is `failed`, and left alone."""
    pool = ThreadPoolExecutor(MOST_STREAMS)

    async def speak(uri: str, text: str) -> Reply:
        if urlsplit(uri).scheme in ("http", "https"):
            wish = openai_server.Wish(text, task.voice, task.model)
            return await openai_server.speak(uri, wish, task.timeout, pool)
        return await wyoming_server.speak(uri, text, task.voice, task.timeout)

    try:
        return await _time(task, speak)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


async def _time(task: Task, speak: Speak) -> list[Timed]:
    numbers = count(1_000 + int(time()) % 8_000)

    def text() -> str:
        return (task.text or TEXT).replace("{n}", str(next(numbers)))

    found = [Timed(uri) for uri in task.uris]
    with progress() as tell:
        for timed in found:
            tell(f"{timed.uri}: once, to wake it up")
            await _together(timed, 1, speak, text)
        answering = [timed for timed in found if not timed.failed]
        for number in range(task.rounds):
            for timed in answering:
                tell(f"{timed.uri}: reply {number + 1} of {task.rounds} replies")
                timed.replies += await _together(timed, 1, speak, text)
        for timed in answering:
            for streams in _steps(task.streams):
                tell(f"{timed.uri}: {streams} at once")
                failed_before, timed.tried = len(timed.failed), streams
                replies = await _together(timed, streams, speak, text)
                if len(timed.failed) > failed_before or any(reply.gaps for reply in replies):
                    break
                timed.streams = streams
    return found


def _steps(most: int) -> list[int]:
    """Return 1, 2, 4, … and `most`."""
    doubled = [1 << n for n in range(most.bit_length()) if 1 << n < most]
    return [*doubled, most]


async def _together(
    timed: Timed, streams: int, speak: Speak, text: Callable[[], str]
) -> list[Reply]:
    """Ask for so many replies at once; note why one failed."""
    work = [speak(timed.uri, text()) for _ in range(streams)]
    replies = []
    for done in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(done, RequestError):
            timed.failed.append(str(done))
        elif isinstance(done, BaseException):
            raise done
        else:
            replies.append(done)
    return replies


def _print(found: Sequence[Timed]) -> None:
    head = ("server", "first sound", "slowest", "RTF", "gaps", "longest", "streams")
    rows = []
    for timed in found:
        numbers = timed.numbers()
        if not timed.replies:
            rows.append((timed.uri, *"------"))
            continue
        more = "+" if timed.streams == timed.tried else ""
        rows.append(
            (
                timed.uri,
                _ms(numbers["ttfa_s"]),
                _ms(numbers["ttfa_s_most"]),
                f"{numbers['rtf']:.3f}",
                str(numbers["gaps"]),
                _ms(numbers["gap_s_most"]),
                f"{timed.streams}{more}",
            )
        )
    table(head, rows)
    for timed in found:
        for why in dict.fromkeys(timed.failed):
            print(f"failed: {why}")


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms" if seconds < 0.1 else f"{1000 * seconds:.0f} ms"
