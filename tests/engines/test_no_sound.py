"""An engine that gives no sound for letters or digits has failed at them: the next one speaks."""

from collections.abc import AsyncGenerator

import pytest

from tests.engines.helpers import ANNA, VOICES, Make, speak, started
from tests.fakes import FakeEngine, frame
from tests.server.clients import warnings
from wyoming_csm.engines.base import Phase, Sentence
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.errors import EngineError

WHOLE = [frame(number) for number in range(5)]
SHORT = 2_398  # bytes: less than 0.05 s


class Click(FakeEngine):
    """Gives so many bytes, in pieces of 1000."""

    def __init__(self, size: int) -> None:
        super().__init__("csm", voices=(ANNA,))
        self.size = size

    async def make(self, sentence: Sentence) -> AsyncGenerator[bytes]:
        for start in range(0, self.size, 1_000):
            yield bytes(min(1_000, self.size - start))


@pytest.mark.parametrize("text", ["Hello.", "21", "\u4f60\u597d"])
@pytest.mark.parametrize("size", [0, SHORT])
async def test_the_next_one_speaks(
    coqui: FakeEngine, caplog: pytest.LogCaptureFixture, text: str, size: int
) -> None:
    csm = Click(size)
    reply = Fallback([csm, coqui]).start_reply(ANNA, "10.0.0.1")
    assert await speak(reply, text) == WHOLE
    assert reply.spoken_by == "coqui/lj"
    assert warnings(caplog) == ["coqui/lj goes on for 10.0.0.1 instead of csm (it gave no sound)"]


async def test_sound_of_005_seconds_is_sound(coqui: FakeEngine) -> None:
    csm = Click(6_500)
    received = await speak(Fallback([csm, coqui]).start_reply(ANNA))
    assert list(map(len, received)) == [3_000, 1_000, 1_000, 1_000, 500]


async def test_what_has_nothing_to_be_spoken_is_no_fault(
    coqui: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    reply = Fallback([Click(0), coqui]).start_reply(ANNA)
    assert await speak(reply, "\u2026 \u2603") == []
    assert not coqui.asked
    assert not warnings(caplog)


async def test_what_no_engine_sounds_is_a_warning_and_the_reply_goes_on(
    coqui: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    coqui.frames = 0
    reply = Fallback([Click(0), coqui]).start_reply(ANNA)
    assert await speak(reply, "Hello.") == []
    assert warnings(caplog)[-1] == "No engine gave sound for 6 characters"
    coqui.frames = 5
    assert await speak(reply, "Hello.") == WHOLE


async def test_where_another_failed_it_is_an_error(coqui: FakeEngine) -> None:
    coqui.fail_after = 0
    with pytest.raises(EngineError, match="csm: it gave no sound; coqui: coqui was told to fail"):
        await speak(Fallback([Click(0), coqui]).start_reply(ANNA))


async def test_no_death_is_counted(make: Make, system: FakeEngine) -> None:
    engine = await started(make(frames=0))
    pid = engine.pid
    for _ in range(6):
        reply = Fallback([engine, system]).start_reply(VOICES[0])
        assert await speak(reply) == WHOLE
        await reply.aclose()
    assert engine.status.phase is Phase.READY
    assert engine.pid == pid
