"""Waiting for something with a limit, also where a cancelled task cleans up."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def within(seconds: float | None, work: Coroutine[Any, Any, object]) -> bool:
    """Run `work` for so long at most; return whether it ended, else it was cancelled.

    What `work` raises is raised.

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
    """Cancel a task whose result or error is of no interest."""
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    task.cancel()
