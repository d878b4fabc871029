"""Accepting goes on after what nobody has thought of."""

import asyncio
import logging
import socket

import pytest

from tests.server.clients import PATIENCE, logged
from wyoming_csm.server.accepting import Accepting


@pytest.mark.parametrize("balanced", [False, True], ids=["direct", "balanced"])
async def test_an_error_at_the_door_is_told_and_the_next_comes_in(
    balanced: bool, caplog: pytest.LogCaptureFixture
) -> None:
    came = 0

    async def admit(sock: socket.socket, name: object) -> None:
        nonlocal came
        came += 1
        if came == 1:
            raise ValueError("nobody has thought of this")
        with sock:
            sock.send(b"welcome")

    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    address = listening.getsockname()
    accepting = Accepting([listening], admit, lambda name: balanced)
    found = []
    for _ in range(2):
        reader, writer = await asyncio.open_connection(*address)
        if balanced:
            writer.write(b"PROXY UNKNOWN\r\n")
        async with asyncio.timeout(PATIENCE):
            found.append(await reader.read())
        writer.close()
    await accepting.stop()
    assert found == [b"", b"welcome"]
    (line,) = logged(caplog)
    assert (line.levelno, line.getMessage()) == (logging.ERROR, "A connection could not be let in")
    assert line.exc_info is not None
    assert isinstance(line.exc_info[1], ValueError)
