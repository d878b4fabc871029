"""One child process: started, spoken to over its standard input and output, ended with all it
started."""

import asyncio
import os
import signal
from collections.abc import Sequence

import msgspec

from wyoming_csm.errors import WorkerDied
from wyoming_csm.within import within
from wyoming_csm.worker.protocol import (
    PREFIX_BYTES,
    FromChild,
    ToChild,
    body_length,
    decode_from_child,
    encode,
)

MAX_UNREAD_BYTES = 1024 * 1024  # what may wait for a child that reads slowly
LEAVE_SECONDS = 1.0  # for a child to go when asked, and again when told
KILLED_SECONDS = 5.0  # a driver may hold it even then, and it is waited for no longer


class ChildProcess:
    """A running child. Always `end()` it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._to_child = process.stdin
        self._from_child = process.stdout
        self._ended = False

    @classmethod
    async def spawn(cls, command: Sequence[str]) -> "ChildProcess":
        """Start a child. Raises WorkerDied if it cannot even start.

        It leads a session of its own: a terminal's Ctrl-C does not reach it, so replies can be
        finished, and its group can be ended as a whole.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={**os.environ, "PYTHONUNBUFFERED": "1", "ORT_DISABLE_TELEMETRY": "1"},
                start_new_session=True,
            )
        except OSError as error:
            raise WorkerDied(f"its process cannot be started ({error})") from error
        return cls(process)

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, message: ToChild) -> None:
        """Send a message, without waiting. Raises WorkerDied if the child is gone, or has stopped
        reading."""
        if self._to_child.is_closing():
            raise WorkerDied("its process ended")
        self._to_child.write(encode(message))
        if self._to_child.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            self.kill()
            raise WorkerDied("its process reads nothing any more")

    async def receive(self) -> FromChild:
        """Return the next message. Raises WorkerDied at the end, and at what is no message."""
        try:
            length = body_length(await self._from_child.readexactly(PREFIX_BYTES))
            return decode_from_child(await self._from_child.readexactly(length))
        except asyncio.IncompleteReadError:
            raise WorkerDied("its process ended") from None
        except (ValueError, msgspec.DecodeError, OSError) as error:
            raise WorkerDied(f"its process sent no message ({error})") from error

    def kill(self) -> None:
        """End it and whatever it started, now."""
        self._signal("SIGKILL")

    async def end(self) -> str:
        """End its input, then insist; return how it ended. Safe to call twice."""
        if self._ended:
            return _how_ended(self._process.returncode)
        self._to_child.close()
        for name in ("SIGTERM", "SIGKILL"):
            if await within(LEAVE_SECONDS, self._gone()):
                break
            self._signal(name)
        else:
            await within(KILLED_SECONDS, self._gone())
        self.kill()  # what it started and left behind
        self._ended = True
        return _how_ended(self._process.returncode)

    async def _gone(self) -> None:
        """Read what is left, or it would wait for a full pipe."""
        while await self._from_child.read(65_536):
            pass
        await self._process.wait()

    def _signal(self, name: str) -> None:
        """Send it to its whole group; while one of that lives, its number is not given anew."""
        try:
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, getattr(signal, name))
            else:
                self._process.kill()
        except (ProcessLookupError, PermissionError):  # gone (as macOS says it of a zombie)
            pass


def _how_ended(code: int | None) -> str:
    if code is None:
        return "it cannot be killed"
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
