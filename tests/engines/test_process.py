"""One child process: what its end takes."""

import sys
import time

import pytest

from wyoming_csm.engines import process
from wyoming_csm.engines.process import ChildProcess

_DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"


class Unkillable(ChildProcess):
    """As one that waits in a driver for a GPU that is gone."""

    immune = True

    def _signal(self, name: str) -> None:
        if not self.immune:
            super()._signal(name)


async def test_one_that_cannot_be_killed_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "LEAVE_SECONDS", 0.05)
    monkeypatch.setattr(process, "KILLED_SECONDS", 0.05)
    child = await Unkillable.spawn([sys.executable, "-c", _DEAF])
    assert isinstance(child, Unkillable)
    begin = time.perf_counter()
    assert await child.end() == "it cannot be killed"
    assert time.perf_counter() - begin < 2
    child.immune = False
    child.kill()
    await child._gone()
