"""The silence between two sentences: a break's to the sample, hardly any inside a phrase."""

import asyncio

import pytest

from tests.simulated_time import simulate
from tests.sound.player import CHARACTERS, Listener, frame
from wyoming_csm.audio import silence
from wyoming_csm.config import SoundConfig
from wyoming_csm.sound.pacing import Pacer, Speed


@pytest.mark.parametrize("seconds", [(0.7,), (0.1,), (1.0, 0.5)])
@pytest.mark.parametrize("wait", [0.0, 0.5])
def test_a_break_is_all_that_is_between_the_words(seconds: tuple[float, ...], wait: float) -> None:
    """Of a sentence's own quiet end so much is sent as there is room for."""
    listener, tail = Listener(), b"\x03\x00" * 4_800

    async def scene() -> None:
        pacer = Pacer(listener, SoundConfig(), asyncio.get_running_loop().time())
        for number in range(2):
            pacer.begin(CHARACTERS)
            pacer.sound(frame(number) * 40, Speed(), 40 * len(frame(0)))
            pacer.end(b"", 0.25, tail)
            await asyncio.sleep(wait)
            for one in () if number else seconds:
                pacer.pause(round(one * 24_000))
        pacer.finish()
        pacer.close()

    simulate(scene())
    between = tail + silence(sum(seconds) - 0.2) if sum(seconds) > 0.2 else tail[:4_800]
    assert listener.sound == frame(0) * 40 + between + frame(1) * 40 + tail


def test_where_a_phrase_goes_on_no_pause_is_owed() -> None:
    listener = Listener()

    async def scene() -> None:
        pacer = Pacer(listener, SoundConfig(), asyncio.get_running_loop().time())
        for number in range(2):
            pacer.begin(CHARACTERS, 0.01, joined=True)
            pacer.sound(frame(number), Speed(), len(frame(0)))
            pacer.end(b"", 0.25, silence(0.2))
        pacer.close()

    simulate(scene())
    assert listener.sound == silence(0.01) + frame(0) + silence(0.01) + frame(1)
