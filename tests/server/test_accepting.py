"""Accepting goes on after what nobody has thought of, and leaves others their turns."""

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from tests.server.clients import PATIENCE, logged
from wyoming_csm.server.accepting import Accepting


class Listener(socket.socket):
    """A listening socket that has something done before each accepting, and raises it then."""

    def __init__(self, instead: Callable[[], BaseException | None] = lambda: None) -> None:
        listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        super().__init__(fileno=listening.detach())
        self.setblocking(False)
        self.tries = 0
        self._instead = instead

    def accept(self) -> tuple[socket.socket, Any]:
        self.tries += 1
        sock, name = super().accept()
        if (error := self._instead()) is not None:
            sock.close()
            raise error
        return sock, name


async def welcome(sock: socket.socket, name: object) -> None:
    with sock:
        sock.send(b"welcome")


async def told(listening: socket.socket, sent: bytes = b"") -> bytes:
    reader, writer = await asyncio.open_connection(*listening.getsockname())
    writer.write(sent)
    try:
        async with asyncio.timeout(PATIENCE):
            return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize("header", [b"", b"PROXY UNKNOWN\r\n"], ids=["direct", "balanced"])
@pytest.mark.parametrize("error", [ValueError("nobody has thought of this"), None])
async def test_an_error_at_the_door_is_told_and_the_next_comes_in(
    header: bytes, error: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    """None is a library that leaves somebody cancelled."""
    errors = [error or asyncio.CancelledError()]

    async def admit(sock: socket.socket, name: object) -> None:
        if errors:
            raise errors.pop()
        await welcome(sock, name)

    listening = Listener()
    accepting = Accepting([listening], admit, lambda name: bool(header))
    assert [await told(listening, header) for _ in range(2)] == [b"", b"welcome"]
    await accepting.stop()
    lines = [(line.levelno, line.getMessage()) for line in logged(caplog)]
    errors_told = [line.exc_info[1] for line in logged(caplog) if line.exc_info]
    assert lines == ([(logging.ERROR, "A connection could not be let in")] if error else [])
    assert errors_told == ([error] if error else [])


async def test_an_error_of_the_listening_socket_is_not_its_end() -> None:
    errors = [ValueError("nobody has thought of this"), ConnectionAbortedError()]
    listening = Listener(lambda: errors.pop() if errors else None)
    accepting = Accepting([listening], welcome)
    assert [await told(listening) for _ in range(3)] == [b"", b"", b"welcome"]
    await accepting.stop()


@pytest.mark.parametrize("error", [None, ConnectionAbortedError()], ids=["staying", "leaving"])
async def test_who_keeps_connecting_leaves_others_their_turns(error: Exception | None) -> None:
    listening = Listener(lambda: error)
    with ExitStack() as waiting:
        for _ in range(100):
            waiting.enter_context(socket.create_connection(listening.getsockname()))
        accepting = Accepting([listening], welcome)
        async with asyncio.timeout(PATIENCE):
            while (before := listening.tries) < 100:
                await asyncio.sleep(0)
                assert listening.tries - before <= 1
        await accepting.stop()


async def test_who_came_as_it_stopped_is_closed() -> None:
    """Cancelled before it began, nothing of it ran that could have closed the connection."""
    stopping: list[asyncio.Task[None]] = []
    listening = Listener(lambda: stopping.append(asyncio.create_task(accepting.stop())))
    accepting = Accepting([listening], welcome)
    assert await told(listening) == b""
    await stopping[0]
