"""Simulated time is never early: whoever was woken by a timer finds that its time has come."""

import asyncio

import pytest

from tests.simulated_time import simulate


@pytest.mark.parametrize("seconds", [0.1, 1 / 3, 1.0, 5.0])
def test_a_deadline_has_passed_when_its_timer_goes_off(seconds: float) -> None:
    """Also where another goes off at the same time, but for the error of a float."""

    async def sleeps(each: float, until: float) -> list[float]:
        clock = asyncio.get_running_loop().time
        left = []
        while clock() < until:
            deadline = clock() + each
            await asyncio.sleep(each)
            left.append(deadline - clock())
        return left

    async def scene() -> list[float]:
        left, _ = await asyncio.gather(
            sleeps(seconds, 50 * seconds), sleeps(seconds / 10, 50 * seconds)
        )
        return left

    left = simulate(scene())
    assert len(left) in (50, 51)
    assert all(-1e-8 < one <= 0 for one in left)
