"""Waiting for something, but not for ever."""

import asyncio
import gc

import pytest

from wyoming_csm.within import within


async def test_what_comes_in_time_and_what_does_not() -> None:
    unwound: list[bool] = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            unwound.append(True)

    assert await within(5, asyncio.sleep(0))
    assert await within(None, asyncio.sleep(0))
    assert not await within(0.01, endless())
    assert unwound == [True]


async def test_what_it_raises_is_raised() -> None:
    async def fail() -> None:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        await within(5, fail())


async def test_waiting_may_be_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    """Then what it waited for ends as well, and how is not logged."""
    unwound = asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            unwound.set()
            raise OSError("gone")

    waiting = asyncio.create_task(within(None, endless()))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await within(5, unwound.wait())
    await asyncio.sleep(0)
    gc.collect()
    assert "never retrieved" not in caplog.text
