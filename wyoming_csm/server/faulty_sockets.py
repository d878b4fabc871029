"""Sockets of the door on which things go wrong, as the fault switch says."""

import errno
import os
import socket
from collections.abc import Iterable
from threading import Event
from typing import Any

from wyoming_csm.faults import Switch

_TRY_SECONDS = 0.001  # of a socket that takes nothing: its loop asks again at once


class FaultyListener(socket.socket):
    """A listening socket for which no descriptor is left, or whose connections are faulty."""

    def __init__(self, listening: socket.socket, switch: Switch) -> None:
        """Take over a socket that listens."""
        super().__init__(fileno=listening.detach())
        self.setblocking(False)
        self._switch = switch

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept as a socket does. Raises OSError."""
        if self._switch.number("descriptors") is not None:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        sock, name = super().accept()
        return _FaultyConnection(sock, self._switch), name


class _FaultyConnection(socket.socket):
    def __init__(self, sock: socket.socket, switch: Switch) -> None:
        super().__init__(fileno=sock.detach())
        self._switch = switch

    def send(self, data: Any, flags: int = 0, /) -> int:
        if self._switch.number("stall") is not None:
            Event().wait(_TRY_SECONDS)
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        most = self._switch.number("short")
        return super().send(data if most is None else data[: max(1, int(most))], flags)

    def sendmsg(self, buffers: Iterable[Any], *_: Any) -> int:
        return self.send(next(iter(buffers)))

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        if seconds := self._switch.number("block"):
            Event().wait(seconds)  # and with it the event loop, which reads here
        return super().recv(size, flags)
