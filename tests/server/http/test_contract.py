"""The OpenAPI document against the door: of many requests, none is answered otherwise."""

from pathlib import Path

import pytest

from tests.fakes import FakeEngine
from tests.server.http.contract import keeps_its_word
from tests.server.http.doors import doors


@pytest.mark.slow(8)
async def test_the_door_keeps_its_word(tmp_path: Path) -> None:
    async with doors(FakeEngine(frames=2), voices=str(tmp_path / "voices")) as both:
        well, count, report = await keeps_its_word(both.url, 120, tmp_path)
    assert well, report
    assert count >= 120
