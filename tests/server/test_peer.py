"""The sending side of a connection."""

import asyncio
import socket

import pytest
from wyoming.event import Event

from wyoming_csm.server.peer import UNSENT_BYTES, EventWriter, Stalled

MUCH = Event("audio-chunk", payload=bytes(UNSENT_BYTES - 200))  # with its header: not yet too much


async def pair(stall_seconds: float) -> tuple[EventWriter, asyncio.StreamWriter, socket.socket]:
    near, far = socket.socketpair()
    near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    _, writer = await asyncio.open_connection(sock=near)
    return EventWriter(writer, stall_seconds), writer, far


async def test_sending_to_a_peer_that_is_gone() -> None:
    events, writer, far = await pair(1)
    events.send(Event("ping"))
    far.close()
    with pytest.raises(ConnectionResetError):
        events.send(Event("ping"))
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_little_unsent_is_no_reason_to_wait_but_much_is() -> None:
    events, writer, far = await pair(0.1)
    events.send(MUCH)
    await asyncio.wait_for(events.drained(), 0.05)
    events.send(MUCH)
    with pytest.raises(Stalled, match=r"nothing for 0\.1 s"):
        await events.drained()
    with pytest.raises(ConnectionResetError):  # it was given up
        events.send(Event("ping"))
    far.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_after_it_was_flushed_little_is_no_reason_to_wait_again() -> None:
    events, writer, far = await pair(0.1)
    await events.flushed()
    events.send(MUCH)
    assert events.unsent > 0
    await events.drained()
    far.close()
    writer.transport.abort()


async def test_flushed_means_nothing_is_unsent() -> None:
    events, writer, far = await pair(0.1)
    events.send(MUCH)
    with pytest.raises(Stalled):
        await events.flushed()
    far.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)
