"""One child process: what its end takes."""

import asyncio
import os
import sys
import time

import pytest

from wyoming_csm.engines import process
from wyoming_csm.engines.process import ChildProcess

_DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"


async def test_one_that_cannot_be_killed_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As one that waits in a driver for a GPU that is gone."""
    monkeypatch.setattr(process, "LEAVE_SECONDS", 0.05)
    monkeypatch.setattr(process, "KILLED_SECONDS", 0.05)
    pipe = asyncio.subprocess.PIPE
    deaf = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _DEAF), stdin=pipe, stdout=pipe, start_new_session=True
    )
    child = ChildProcess(deaf)
    with monkeypatch.context() as immune:
        immune.setattr(os, "killpg", lambda group, number: None)
        begin = time.perf_counter()
        assert await child.end() == "it cannot be killed"
        assert time.perf_counter() - begin < 20  # it would sleep for ever
    child.kill()
    await deaf.wait()


class OldTimeout(asyncio.Timeout):  # type: ignore[misc]
    """As before Python 3.11.3: in a task that was cancelled it raises CancelledError."""

    async def __aenter__(self) -> "OldTimeout":
        await super().__aenter__()
        self._cancelling = 0
        return self


def _old_timeout(seconds: float | None) -> OldTimeout:
    return OldTimeout(seconds and asyncio.get_running_loop().time() + seconds)


async def test_a_cancelled_task_ends_a_child_that_does_not_want_to_go_on_every_python(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "LEAVE_SECONDS", 0.05)
    monkeypatch.setattr(asyncio, "timeout", _old_timeout)
    child = await ChildProcess.spawn([sys.executable, "-c", _DEAF])
    ended: list[str] = []

    async def live() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(await child.end())

    life = asyncio.create_task(live())
    await asyncio.sleep(0.3)  # until it is deaf
    life.cancel()
    await asyncio.wait([life])
    child.kill()
    assert ended == ["killed by SIGKILL"]
