"""The whole program while its disk is full, and while its clock is wrong by a day."""

from pathlib import Path

import pytest

from tests.faults.drill import Drill
from tests.program import asked, is_spoken, program, sent_clip

DAY = 86_400
# Lines that say nothing. All that is logged asks for the time, and with it for these.
WRONG = ("door stal", "door clock 1e300", "system dei 0", "cms die 0", "system nan 0", "\ufffd")


@pytest.mark.slow(4)
async def test_a_full_disk_and_a_clock_that_jumps(drill: Drill, tmp_path: Path) -> None:
    drill.set(*WRONG[:3])  # neither door nor child is kept from starting
    async with program(tmp_path) as served:
        assert "Faults are made here on purpose" in served.log
        async with served.browsing() as client:
            drill.set(*WRONG, f"door clock {DAY}")
            assert is_spoken(await asked(served.unix))
            for jump in (DAY, -DAY):
                drill.set(f"door clock {jump}", f"system clock {jump}")
                assert is_spoken(await asked(served.unix))
                async with client.get("health") as answer:
                    assert (await answer.json())["ready"]
            drill.set("door disk", "system disk")
            assert is_spoken(
                await asked(served.unix, "system_de-DE")
            )  # of whose loudness nothing is known
            status, told = await sent_clip(client)
            assert (status, "disk is full" in told) == (507, True), told
            assert not list(served.voices.iterdir())
            drill.set()
            assert (await sent_clip(client))[0] == 201
            assert is_spoken(await asked(served.unix))
        assert await served.ended() == 0
        assert "Traceback" not in served.log
        assert "loudness.json cannot be written" in served.log
        assert [served.log.count(f"{line!r} is no fault there is") for line in WRONG] == [1] * len(
            WRONG
        )
