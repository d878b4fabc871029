"""Slower and faster, as a client hears it: by the engine where it can, else by its sound."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from wyoming.tts import Synthesize, SynthesizeVoice

from benchmarks.fixtures.random_csm import make_tiny_csm
from tests.fakes import AS_MADE, FakeEngine, fake_voice, frame
from tests.server.clients import Peer, audio, peer, serving
from tests.worker.csm.test_csm_child import one_voice
from wyoming_csm.answer import Answer, AnswerContext
from wyoming_csm.audio import from_pcm
from wyoming_csm.config import Config, CsmConfig, PresetConfig
from wyoming_csm.engines.child_engine import ChildEngine
from wyoming_csm.engines.csm import csm_engines
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.engines.system import system_engine
from wyoming_csm.text_stream import TextStream
from wyoming_csm.worker.system.languages import HIBARI, find_synthesisers

QUICK = replace(fake_voice("quick"), rates=(0.5, 2.0))


async def spoken(client: Peer, text: str, voice: str | None = None) -> bytes:
    wanted = SynthesizeVoice(name=voice) if voice else None
    await client.send(Synthesize(text, voice=wanted).event())
    return audio(await client.until("audio-stop"))


async def test_an_engine_without_a_speed_is_stretched() -> None:
    engine = FakeEngine(frames=5)
    text = "<speak>One is. <prosody rate='50%'>Two is.</prosody> And three is</speak>"
    async with serving(engine) as server, peer(server) as client:
        sound = from_pcm(await spoken(client, text))
        whole = from_pcm(await spoken(client, "One is."))
    assert engine.rates == [(1.0, 1.0), (1.0, 0.5), (1.0, 1.0), (1.0, 1.0)]
    assert len(sound) == 4 * len(whole)
    first, second, third = np.split(sound, [len(whole), 3 * len(whole)])
    assert (first == whole).all()
    assert (third == whole).all()
    assert (second[:240] == whole[:240]).all()
    assert (second[-240:] == whole[-240:]).all()


@pytest.mark.parametrize(
    ("rate", "own", "stretch"),
    [
        ("150%", 1.5, 1.0),
        ("50%", 0.5, 1.0),
        ("25%", 0.5, 0.5),
        ("400%", 2.0, 2.0),
        ("300%", 2.0, 1.5),
    ],
)
async def test_an_engine_with_a_speed_uses_it_as_far_as_it_goes(
    rate: str, own: float, stretch: float
) -> None:
    engine = FakeEngine(frames=6, voices=(QUICK,))
    async with serving(engine) as server, peer(server) as client:
        sound = await spoken(client, f"<speak><prosody rate='{rate}'>Two is.</prosody></speak>")
    assert engine.rates == [(own, stretch)]
    assert len(sound) == 6 * len(frame(0)) / stretch


@pytest.mark.parametrize(
    ("speed", "rate", "wanted"),
    [
        (0.3, "1", (0.5, 0.6)),
        (0.5, "1", (0.5, 1.0)),
        (3.0, "1", (2.0, 1.5)),
        (3.0, "0.5", (1.5, 1.0)),
        (3.0, "3", (2.0, 2.0)),
    ],
)
async def test_a_configured_speed_is_a_factor_of_the_rate(
    speed: float, rate: str, wanted: tuple[float, float]
) -> None:
    """What the engine cannot do is made of its sound, four times as fast as usual at most."""
    engine = FakeEngine(frames=6, voices=(replace(QUICK, speed=speed),))
    async with serving(engine) as server, peer(server) as client:
        sound = await spoken(client, f"<speak><prosody rate='{rate}'>Two is.</prosody></speak>")
    (rates,) = engine.rates
    assert rates == pytest.approx(wanted)
    assert len(sound) == pytest.approx(6 * len(frame(0)) / wanted[1], abs=2)


async def test_who_speaks_instead_does_it_in_its_own_way() -> None:
    """Nothing of the sentence sounded before it went to the other engine."""
    csm = FakeEngine("csm", voices=(fake_voice("anna", engine="csm"),), fail_after=0)
    system = FakeEngine("system", voices=(replace(QUICK, engine="system"),), frames=2)
    async with serving(Fallback([csm, system])) as server, peer(server) as client:
        sound = await spoken(client, "<speak><prosody rate='2'>Two is.</prosody></speak>")
    assert (csm.rates, system.rates) == ([(1.0, 2.0)], [(2.0, 1.0)])
    assert sound == frame(0) + frame(1)


async def test_a_presets_rate_a_texts_and_a_requests_count_together_within_bounds() -> None:
    engine = FakeEngine(frames=2, voices=(QUICK,))
    house = Fallback([engine], presets={"brisk": PresetConfig(voice="quick", rate=1.6)})
    async with serving(house) as server, peer(server) as client:
        await spoken(client, "One is.", "brisk")
        await spoken(client, "<speak><prosody rate='0.5'>Two is.</prosody></speak>", "brisk")
    assert engine.rates == [(1.6, 1.0), (0.8, 1.0)]
    config = replace(Config(), sound=AS_MADE)
    context = AnswerContext.of(config, house)
    brisk = next(voice for voice in house.voices if voice.name == "brisk")
    for rate, wanted in ((1.25, (2.0, 1.0)), (4.0, (2.0, 2.0)), (0.25, (0.5, 0.8))):
        text = TextStream(100, print)
        text.feed("Three is.")
        text.end()
        listener = Counting()
        await Answer(text, brisk, listener, context, rate=rate, address="test").run()
        assert engine.rates[-1] == wanted
        assert listener.samples == round(2 * len(frame(0)) / 2 / wanted[1])


class Counting:
    """A listener that takes all."""

    full, first_at = False, None

    def __init__(self) -> None:
        self.samples = 0

    def send(self, pcm: bytes) -> None:
        self.samples += len(pcm) // 2

    def flush(self) -> None: ...

    async def drained(self) -> None: ...

    async def surely_there(self) -> None: ...


# -- real engines


@asynccontextmanager
async def real(engine: ChildEngine) -> AsyncIterator[Peer]:
    await engine.start()
    try:
        await engine.wait_loaded()
        async with serving(engine) as server, peer(server) as client:
            yield client
    finally:
        await engine.stop()


@pytest.mark.slow
@pytest.mark.skipif(HIBARI not in find_synthesisers(), reason="Hibari is not installed")
async def test_hibari_speaks_at_the_rate_that_is_asked_for() -> None:
    words = "The door of the kitchen has been open since the beginning of the afternoon."
    async with real(system_engine(Config())) as client:
        usual = len(await spoken(client, words))
        for rate in (0.5, 0.75, 1.25, 2.0):
            text = f"<speak><prosody rate='{rate}'>{words}</prosody></speak>"
            assert usual / len(await spoken(client, text)) == pytest.approx(rate, rel=0.08)


@pytest.mark.slow
async def test_csm_is_stretched_to_the_rate_that_is_asked_for(tmp_path: Path) -> None:
    checkpoint = make_tiny_csm(tmp_path / "csm", codebooks=8)
    csm = CsmConfig(checkpoint=str(checkpoint), device="cpu", max_seconds=1.0, seed=7, guard="none")
    config = Config(csm=csm, data_dir=str(tmp_path / "data"))
    (engine,) = csm_engines(config, one_voice(tmp_path / "voices"))
    async with real(engine) as client:
        usual = len(await spoken(client, "Hello.")) // 2
        for rate in (0.5, 0.75, 1.5, 4.0):
            text = f"<speak><prosody rate='{rate}'>Hello.</prosody></speak>"
            assert len(await spoken(client, text)) // 2 == round(usual / rate)
