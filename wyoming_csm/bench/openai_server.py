"""A server with OpenAI's API for speech: POST …/audio/speech, its WAV read as it comes."""

import asyncio
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from time import monotonic
from typing import NamedTuple
from urllib.parse import urlsplit

from wyoming_csm.bench.reply import Arrival, Reply, reply_of, why
from wyoming_csm.bench.wyoming_server import MOST_SECONDS
from wyoming_csm.errors import RequestError

KEY = "OPENAI_API_KEY"
_VOICE = "alloy"  # which such servers know
_READ_BYTES = 16 * 1024
_HEAD_BYTES = 4_096  # of a WAV file, before its samples; and of a refusal


class Wish(NamedTuple):
    """What is asked of such a server."""

    text: str
    voice: str | None
    model: str


async def speak(url: str, wish: Wish, seconds: float, pool: ThreadPoolExecutor) -> Reply:
    """Ask for a text to be spoken, on a connection of its own. Raises RequestError."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(pool, _speak, url, wish, seconds)


def _speak(url: str, wish: Wish, seconds: float) -> Reply:
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=min(seconds, 10.0))
        connection.connect()
        connection.sock.settimeout(seconds)
        try:
            return _ask(connection, f"{parts.path.rstrip('/')}/audio/speech", url, wish, seconds)
        finally:
            connection.close()
    except TimeoutError as error:
        raise RequestError(f"{url} did not answer in {seconds:g} s; see --timeout") from error
    except (OSError, HTTPException, ValueError) as error:
        raise RequestError(f"{url} cannot be spoken with: {why(error)}") from error


def _ask(connection: HTTPConnection, path: str, url: str, wish: Wish, seconds: float) -> Reply:
    body = {"model": wish.model, "input": wish.text, "voice": wish.voice or _VOICE}
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get(KEY):
        headers["Authorization"] = f"Bearer {key}"
    began = monotonic()
    connection.request("POST", path, json.dumps({**body, "response_format": "wav"}), headers)
    answer = connection.getresponse()
    if answer.status != 200:
        raise RequestError(_refusal(url, answer))
    chunks: list[Arrival] = []
    whole = 0.0
    for length in _seconds_of(answer):
        now = monotonic() - began
        chunks.append(Arrival(now, length))
        whole += length
        if now > seconds:
            raise RequestError(f"{url} did not end in {seconds:g} s; see --timeout")
        if whole > MOST_SECONDS:
            raise RequestError(f"{url}: the reply does not end")
    if (reply := reply_of(chunks)) is None:
        raise RequestError(f"{url} answered without sound")
    return reply


def _refusal(url: str, answer: HTTPResponse) -> str:
    said = answer.read(_HEAD_BYTES).decode(errors="replace")
    said = " ".join("".join(c if c.isprintable() else " " for c in said).split())[:200]
    cures = {
        401: f": give its key as {KEY}",
        404: ": the address ends in /v1, as a rule",
        503: ": it has too much to do",
    }
    return f"{url} refuses ({answer.status}){cures.get(answer.status, '')}: {said}"


def _seconds_of(answer: HTTPResponse) -> Iterator[float]:
    """Yield the length of each portion of a WAV file's samples. Raises ValueError."""
    head = b""
    while (begin := _samples_begin(head)) is None:
        if len(head) > _HEAD_BYTES:
            raise ValueError("what it sends is no WAV file")
        if not (more := answer.read1(_READ_BYTES)):
            raise ValueError("what it sends is no WAV file")
        head += more
    at, bytes_per_second = begin
    yield (len(head) - at) / bytes_per_second
    while more := answer.read1(_READ_BYTES):
        yield len(more) / bytes_per_second


def _samples_begin(head: bytes) -> tuple[int, int] | None:
    """Return where a WAV file's samples begin, and bytes per second; None: it is not there yet.

    Sizes of what follows are not believed: a server that streams does not know them.
    """
    if len(head) >= 12 and (head[:4], head[8:12]) != (b"RIFF", b"WAVE"):
        raise ValueError("what it sends is no WAV file")
    at, rate = 12, 0
    while len(head) >= at + 8:
        name, size = head[at : at + 4], int.from_bytes(head[at + 4 : at + 8], "little")
        if name == b"data" and rate:
            return at + 8, rate
        if name == b"fmt " and len(head) >= at + 20:
            rate = int.from_bytes(head[at + 16 : at + 20], "little")
        at += 8 + size + size % 2
    return None
