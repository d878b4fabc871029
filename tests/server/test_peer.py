"""The sending side of a connection."""

import asyncio
import socket

import pytest
from wyoming.event import Event

from wyoming_csm.server.peer import UNSENT_BYTES, EventWriter, Stalled


async def pair(stall_seconds: float) -> tuple[EventWriter, asyncio.StreamWriter, socket.socket]:
    near, far = socket.socketpair()
    near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    _, writer = await asyncio.open_connection(sock=near)
    return EventWriter(writer, stall_seconds), writer, far


async def test_sending_to_a_peer_that_is_gone() -> None:
    outlet, writer, far = await pair(1)
    outlet.send(Event("ping"))
    far.close()
    with pytest.raises(ConnectionResetError):
        outlet.send(Event("ping"))
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_little_unsent_is_no_reason_to_wait_but_much_is() -> None:
    outlet, writer, far = await pair(0.1)
    outlet.send_bytes(bytes(UNSENT_BYTES))
    await asyncio.wait_for(outlet.drained(), 0.05)
    outlet.send_bytes(bytes(UNSENT_BYTES))
    with pytest.raises(Stalled, match=r"nothing for 0\.1 s"):
        await outlet.drained()
    with pytest.raises(ConnectionResetError):  # it was given up
        outlet.send(Event("ping"))
    far.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_flushed_means_nothing_is_unsent() -> None:
    outlet, writer, far = await pair(0.1)
    outlet.send_bytes(bytes(UNSENT_BYTES))
    with pytest.raises(Stalled):
        await outlet.flushed()
    far.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)
