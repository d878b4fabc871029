"""What is known of voices' loudness, in a file: by one writer, the newest last."""

import asyncio
import os
import threading
from pathlib import Path

import pytest

from wyoming_csm.sound.gains import Gains


async def test_all_that_ends_in_the_same_moment_is_in_the_file(tmp_path: Path) -> None:
    gains = Gains(tmp_path / "loudness.json", -20.0)
    for moment in range(40):
        for voice in range(3):
            gains.learn(f"csm/{moment}-{voice}", -30.0 + voice)
        await asyncio.sleep(0)
    await gains.written()
    again = Gains(tmp_path / "loudness.json", -20.0)
    for moment in range(40):
        for voice in range(3):
            assert again.of(f"csm/{moment}-{voice}") == 10.0 - voice
    assert os.listdir(tmp_path) == ["loudness.json"]


async def test_the_oldest_voices_go(tmp_path: Path) -> None:
    gains = Gains(tmp_path / "loudness.json", -20.0)
    for voice in range(1_001):
        gains.learn(f"csm/{voice}", -30.0)
    assert (gains.of("csm/0"), gains.of("csm/1")) == (None, 10.0)
    await gains.written()


async def test_a_disk_that_hangs_keeps_no_server_from_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = threading.Event()
    monkeypatch.setattr("wyoming_csm.sound.gains.WRITING_SECONDS", 0.05)
    monkeypatch.setattr("wyoming_csm.sound.gains.write_whole", lambda *_: back.wait(60.0))
    gains = Gains(tmp_path / "loudness.json", -20.0)
    try:
        async with asyncio.timeout(30):
            gains.learn("csm/anna", -30.0)
            await gains.written()
            gains.learn("csm/bea", -30.0)
            assert (gains.of("csm/anna"), gains.of("csm/bea")) == (10.0, 10.0)
    finally:
        back.set()
