"""Waiting for something, but not for ever: also where a cancelled task cleans up."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def within(seconds: float | None, work: Coroutine[Any, Any, object]) -> bool:
    """Whether `work` came to its end in so long; if not, it was cancelled. What it raises is
    raised.

    `asyncio.timeout` is no help in the clean-up of a cancelled task: before Python 3.11.3 it
    raises CancelledError there instead of TimeoutError (gh-102780), and the rest of the clean-up
    is left out.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait([task], timeout=seconds)
    except asyncio.CancelledError:
        abandon(task)
        raise
    task.cancel()
    await asyncio.wait([task])
    if task.cancelled():
        return False
    task.result()
    return True


def abandon(task: asyncio.Future[Any]) -> None:
    """Cancel it; how it ends is of interest to nobody."""
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    task.cancel()
