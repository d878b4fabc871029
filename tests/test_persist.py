"""What is done beside the speaking goes on, whatever happens to it."""

import asyncio

import pytest

from tests.server.clients import logged
from wyoming_csm.serve import persist


async def test_work_that_fails_is_logged_and_begun_again(caplog: pytest.LogCaptureFixture) -> None:
    faults: list[Exception] = [KeyError("a bug"), OSError("no thread")]

    async def work() -> None:
        if faults:
            raise faults.pop()

    await persist(work, pause=0.0)
    assert not faults
    assert [record.exc_info is not None for record in logged(caplog)] == [True, True]


async def test_the_end_of_the_server_ends_it() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("tidied up")

    task = asyncio.create_task(persist(work))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["tidied up"]
