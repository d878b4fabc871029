"""A listener that plays from the first sound on, in simulated time, and engines of any speed."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.simulated_time import simulate
from tests.sound.player import CHARACTERS, FRAME, Listener, frame
from wyoming_csm.audio import silence
from wyoming_csm.config import SoundConfig
from wyoming_csm.sound.pacing import Pacer, Speed

SENTENCE = 3.2  # seconds of each, in 53 characters


async def reply(
    pacer: Pacer,
    speed: float,
    waits: Sequence[float],
    known: Speed,
    once: bool = False,
    stretch: float = 1.0,
) -> None:
    """Sentences, each asked for so many seconds after the one before was made, frame by frame."""
    for number, wait in enumerate(waits):
        await asyncio.sleep(wait)
        pacer.begin(CHARACTERS, rate=stretch)
        for _ in range(round(SENTENCE / FRAME)):
            await asyncio.sleep(FRAME / speed)
            if not once:
                pacer.sound(frame(number, stretch), known, len(frame(0)), stretch)
        if once:
            whole = frame(number, stretch) * round(SENTENCE / FRAME)
            pacer.sound(whole, known, len(frame(0)) * round(SENTENCE / FRAME), stretch)
        pacer.end(b"", 0.0)
    pacer.close()


def listened(
    speed: float,
    waits: Sequence[float],
    known: Speed | None = None,
    once: bool = False,
    stretch: float = 1.0,
    **settings: object,
) -> Listener:
    listener = Listener()

    async def scene() -> None:
        await asyncio.sleep(1.0)
        config = SoundConfig(**settings)  # type: ignore[arg-type]
        pacer = Pacer(listener, config, asyncio.get_running_loop().time())
        await reply(pacer, speed, waits, known or Speed(), once, stretch)

    simulate(scene())
    words = bytes(listener.sound)
    for number in range(len(waits)):  # whole, in one go, in order
        sentence = frame(number, stretch) * round(SENTENCE / FRAME)
        assert words.count(sentence) == 1
    return listener


@pytest.mark.parametrize("wait", [0.0, 0.2, 1.0, 6.0, 20.0])
@pytest.mark.parametrize("speed", [0.5, 0.8, 1.0, 2.0, 10.0])
@pytest.mark.parametrize("once", [False, True])
def test_a_player_never_runs_dry(speed: float, wait: float, once: bool) -> None:
    listener = listened(speed, [0.0, *[wait] * 3], once=once)
    assert listener.gaps == []
    assert listener.began is not None
    assert listener.began - 1.0 <= max(4.0, SENTENCE / speed if once else 0.0) + 0.001


@pytest.mark.parametrize("stretch", [0.25, 0.5, 1.6, 2.0, 4.0])
@pytest.mark.parametrize("speed", [0.5, 1.0, 1.8, 3.0, 10.0])
def test_nor_if_its_sound_is_stretched(speed: float, stretch: float) -> None:
    """What is made at 1.8 times the speed of speech is too slow for speech twice as fast."""
    known = Speed()
    for _ in range(2):
        listener = listened(speed, [0.0, 0.0, 0.0], known, stretch=stretch)
        if SENTENCE / speed - SENTENCE / stretch < 4.0:  # else it cannot begin so late
            assert listener.gaps == []
        assert known.known == pytest.approx(speed), "of the engine, however it is played"
    if speed > 1.2 * stretch:
        assert listener.silence == 0
        assert listener.began == pytest.approx(1.0 + FRAME / speed)


@pytest.mark.parametrize("speed", [1.5, 2.0, 10.0])
def test_where_nothing_is_late_no_silence_is_added_and_nothing_waits(speed: float) -> None:
    known = Speed()
    for _ in range(2):
        listener = listened(speed, [0.0, 0.0, 0.0, 0.0], known)
        assert listener.silence == 0
    assert listener.began == pytest.approx(1.0 + FRAME / speed), "its speed is known by now"


@pytest.mark.parametrize(
    ("wait", "quiet", "pause", "silent"),
    [
        (0.0, 0.0, 0.6, 0.6),
        (0.0, 0.2, 0.6, 0.6),
        (0.0, 0.2, 0.2, 0.25),  # more is owed anyway
        (5.0, 0.0, 0.6, 1.9),  # who waits for text has had enough of it
        (5.0, 0.0, 0.0, 1.9),
    ],
)
def test_a_pause_that_is_known_late_counts_the_silence_before_it(
    wait: float, quiet: float, pause: float, silent: float
) -> None:
    listener, whole = Listener(), frame(0) * 40

    async def scene() -> None:
        pacer = Pacer(listener, SoundConfig(), asyncio.get_running_loop().time())
        for wait_before, pause_before in ((0.0, 0.0), (wait, pause)):
            await asyncio.sleep(wait_before)
            pacer.begin(CHARACTERS, pause_before)
            pacer.sound(whole, Speed(), len(whole))
            pacer.end(b"", 0.25, silence(quiet))
        pacer.close()

    simulate(scene())
    assert listener.silence == pytest.approx(silent, abs=0.11)


def test_silence_is_no_longer_than_the_wait_for_text() -> None:
    listener = listened(10.0, [0.0, 6.0])
    made = 6.0 + 2 * SENTENCE / 10
    assert listener.silence == pytest.approx(made - SENTENCE, abs=0.3)


def test_silence_is_not_sent_to_who_takes_nothing() -> None:
    class Full(Listener):
        full = True

        def __init__(self) -> None:
            super().__init__()
            self.full = True

    listener = Full()

    async def scene() -> None:
        pacer = Pacer(listener, SoundConfig(), 0.0)
        await reply(pacer, 10.0, [0.0, 20.0], Speed())

    simulate(scene())
    assert listener.silence == 0


def test_without_the_setting_all_goes_out_as_it_is_made() -> None:
    listener = listened(0.5, [0.0, 6.0], fill_gaps=False)
    assert listener.silence == 0
    assert listener.began == pytest.approx(1.0 + FRAME / 0.5)


def test_lead_in_comes_once_and_a_pause_to_the_sample() -> None:
    listener = Listener()

    async def scene() -> None:
        pacer = Pacer(listener, SoundConfig(lead_in=0.3), asyncio.get_running_loop().time())
        for number in range(2):
            pacer.begin(CHARACTERS)
            pacer.sound(frame(number), Speed(), len(frame(0)))
            pacer.end(b"", 0.25)
            if not number:
                pacer.pause(16_800)
        pacer.close()
        await asyncio.sleep(10)

    simulate(scene())
    assert listener.sound == silence(0.3) + frame(0) + silence(0.7) + frame(1)


def test_a_sentence_s_pause_is_no_longer_for_silence_that_came_meanwhile() -> None:
    listener = Listener()

    async def scene(wait: float) -> None:
        pacer = Pacer(listener, SoundConfig(), asyncio.get_running_loop().time())
        for number in range(2):
            pacer.begin(CHARACTERS)
            pacer.sound(frame(number) * 40, Speed(), 40 * len(frame(0)))
            pacer.end(b"", 0.4)
            await asyncio.sleep(0 if number else wait)
        pacer.close()

    simulate(scene(0.0))
    assert listener.silence == pytest.approx(0.4)
    listener = Listener()
    simulate(scene(SENTENCE))  # one slice came before
    assert listener.silence == pytest.approx(0.4)


def test_a_peer_that_left_ends_no_more_than_its_reply(caplog: pytest.LogCaptureFixture) -> None:
    class Gone(Listener):
        left = False

        def send(self, pcm: bytes) -> None:
            if self.left:
                raise ConnectionResetError
            super().send(pcm)

    listener = Gone()

    async def scene() -> None:
        pacer = Pacer(listener, SoundConfig(), asyncio.get_running_loop().time())
        pacer.begin(CHARACTERS)
        pacer.sound(frame(0), Speed(), len(frame(0)))
        pacer.end(b"", 0.0)
        listener.left = True
        await asyncio.sleep(5)
        with pytest.raises(ConnectionResetError):
            pacer.pause(2_400)

    simulate(scene())
    assert not caplog.records


def test_silence_that_is_taken_away_does_not_make_an_engine_slow() -> None:
    """0.3 s before and 0.6 s after 2 s of sound go; it works at 1.3 times the speed of speech."""
    listener, known = Listener(), Speed()

    async def scene() -> None:
        pacer = Pacer(listener, SoundConfig(), asyncio.get_running_loop().time())
        pacer.begin(CHARACTERS)
        for number in range(36):
            await asyncio.sleep(FRAME / 1.3)
            words = frame(0) if 4 <= number < 29 else b""
            pacer.sound(words, known, len(frame(0)))
        pacer.end(b"", 0.0)
        pacer.close()

    simulate(scene())
    assert known.known == pytest.approx(1.3, rel=0.05)


def test_a_text_that_never_ends_is_not_waited_for_in_silence_for_ever() -> None:
    listener = listened(10.0, [0.0, 100.0])
    assert listener.silence == pytest.approx(30.0, abs=0.2)


def test_a_quick_sentence_is_not_waited_for_as_for_a_slow_one() -> None:
    """1.6 s of sound, made in 3.2 s, for which 2.12 s are expected: 55 % of them are enough."""
    known = Speed()
    for _ in range(2):
        listener = listened(1.0, [0.0], known, stretch=2.0)
    assert listener.began == pytest.approx(1.0 + 2 * 0.55 * 2.12, abs=FRAME)
