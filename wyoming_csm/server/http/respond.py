"""Sound into a response: as it is made, encoded off the event loop, at the pace of who takes it."""

import asyncio
import base64
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import Executor, Future
from contextlib import aclosing
from functools import partial

import msgspec
from aiohttp import web

from wyoming_csm.errors import WyomingCsmError
from wyoming_csm.server.http.connection import CONNECTION
from wyoming_csm.server.http.encode import Encoder
from wyoming_csm.server.http.problems import Fault, fault_of, sent_away

IN_MEMORY = 4 * 1024 * 1024  # bytes of whole sound; what is longer waits on the disk


def json_answer(body: object, status: int = 200) -> web.Response:
    """Return an answer in JSON, which nobody keeps."""
    return web.json_response(
        body=msgspec.json.encode(body), status=status, headers={"Cache-Control": "no-store"}
    )


async def encoded(
    sound: AsyncGenerator[bytes], encoder: Encoder, threads: Executor
) -> AsyncGenerator[bytes]:
    """Yield sound in a format, while it is made. The encoder is closed, whatever ends this: as
    soon as no thread is at work with it."""
    working: Future[bytes] = Future()
    working.set_result(b"")
    try:
        async with aclosing(sound):
            async for pcm in sound:
                if encoder.slow:
                    working = threads.submit(encoder.feed, pcm)
                    yield await asyncio.wrap_future(working)
                else:
                    yield encoder.feed(pcm)
        if encoder.slow:
            working = threads.submit(encoder.end)
            yield await asyncio.wrap_future(working)
        else:
            yield encoder.end()
    finally:
        working.add_done_callback(lambda _: encoder.close())


async def stream(
    request: web.Request,
    data: AsyncGenerator[bytes],
    headers: Mapping[str, str],
    farewell: Callable[[str], bytes] | None = None,
) -> web.StreamResponse:
    """Send data as it comes; the response begins with the first of it, so that what fails before
    is told by a status. `farewell` makes what tells a peer why it is sent away later.

    Raises EngineError, RequestError.
    """
    response = web.StreamResponse(headers={"Cache-Control": "no-store", **headers})
    async with aclosing(data):
        async for part in data:
            if part and not response.prepared:
                await response.prepare(request)
                if farewell is not None:
                    request[CONNECTION].farewell = partial(_say, response, farewell)
            if part:
                await request[CONNECTION].still_there()
                await response.write(part)
    if not response.prepared:  # of a text without words as PCM nothing comes
        await response.prepare(request)
    await response.write_eof()
    return response


async def _say(response: web.StreamResponse, farewell: Callable[[str], bytes], reason: str) -> None:
    await response.write(farewell(reason))


async def as_events(data: AsyncGenerator[bytes], done: "Done") -> AsyncGenerator[bytes]:
    """Yield OpenAI's server-sent events: a delta for each part, then `done`, or an error."""
    began = False
    async with aclosing(data):
        try:
            async for part in data:
                if part:
                    began = True
                    yield _event(Delta(audio=base64.b64encode(part).decode()))
        except WyomingCsmError as error:
            if not began:
                raise
            yield _error(fault_of(error)[1])
            return
    yield _event(done)


class Delta(msgspec.Struct, frozen=True, tag="speech.audio.delta"):
    """A part of the sound, in the format that was asked for."""

    audio: str


class Usage(msgspec.Struct, frozen=True):
    """What it cost: characters of the text, and frames of 80 ms."""

    input_tokens: int
    output_tokens: int
    total_tokens: int


class Done(msgspec.Struct, tag="speech.audio.done"):
    """The end of the sound."""

    usage: Usage


def farewell_event(reason: str) -> bytes:
    """Return the event that tells a peer why it is sent away."""
    return _error(sent_away(reason))


def _error(fault: Fault) -> bytes:
    return _event({"type": "error", "error": fault})


def _event(event: object) -> bytes:
    return b"data: " + msgspec.json.encode(event) + b"\n\n"
