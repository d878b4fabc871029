"""The system voice as an engine: its voices, and a real child that speaks."""

import subprocess
import sys
from contextlib import aclosing

import numpy as np
import pytest

from tests.engines.helpers import OneEngine
from wyoming_csm.audio import from_pcm
from wyoming_csm.config import Config, SystemConfig
from wyoming_csm.engines.base import Phase
from wyoming_csm.engines.system import system_engine, system_voices
from wyoming_csm.text.pieces import Speak


@pytest.mark.parametrize(
    ("language", "first"),
    [
        ("en", "system_en-US"),
        ("en_GB", "system_en-GB"),
        ("de", "system_de-DE"),
        ("pt-br", "system_pt-BR"),
        ("sv-SE", "system_sv"),
        ("tlh", "system_en-US"),  # Klingon: not spoken here
    ],
)
def test_the_first_voice_speaks_the_configured_language(language: str, first: str) -> None:
    voices = system_voices(language)
    assert voices[0].name == first
    assert len(voices) == len(system_voices("en")) == len({voice.name for voice in voices})


def test_descriptions_say_what_speaks() -> None:
    described = {voice.language: voice.description for voice in system_voices("en")}
    assert described["it-IT"] == "Italian, SVOX Pico"
    assert described["nb"] == "Norwegian Bokmål, eSpeak NG"


def test_the_configured_speed_is_every_voices_whoever_speaks() -> None:
    for voice, usual in zip(system_voices("en", 0.3), system_voices("en"), strict=True):
        assert (voice.speed, usual.speed, voice.rates) == (0.3, 1.0, usual.rates)


def test_without_pico_the_names_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [voice.name for voice in system_voices("en")]
    find = "wyoming_csm.engines.system.find_synthesisers"
    monkeypatch.setattr(find, lambda: ("eSpeak NG",))
    voices = system_voices("en")
    assert [voice.name for voice in voices] == names
    assert voices[0].description == "English (US), eSpeak NG"


def test_us_english_is_hibaris_where_it_is_and_picos_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    find = "wyoming_csm.engines.system.find_synthesisers"
    for found, by in {("Hibari", "SVOX Pico"): "Hibari", ("SVOX Pico",): "SVOX Pico"}.items():
        monkeypatch.setattr(find, lambda found=found: found)
        described = {voice.name: voice.description for voice in system_voices("en")}
        assert described["system_en-US"] == f"English (US), {by}"
        assert described["system_pico_en-US"] == "English (US), SVOX Pico"
        assert described["system_en-GB"] == "English (UK), SVOX Pico"


def test_the_voices_are_known_without_a_synthesiser_or_a_resampler() -> None:
    code = (
        "import sys; from wyoming_csm.engines.system import system_engine;"
        "from wyoming_csm.config import Config; assert system_engine(Config()).voices;"
        "heavy = {'hibari', 'py_nanotts', 'espeakng_loader', 'soxr'} & sys.modules.keys();"
        "print(sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_it_speaks_from_a_child() -> None:
    engine = system_engine(Config(language="fr", system=SystemConfig(speed=1.1)))
    assert engine.name == "system"
    await engine.start()
    try:
        await engine.wait_loaded()
        assert engine.status.phase is Phase.READY
        assert "Pico" in engine.status.detail
        for voice in (engine.voices[0], system_voices("sv")[0]):
            reply = OneEngine(engine, voice)
            pcm = b""
            async with aclosing(reply.speak(Speak("Une maison, en kaffe."))) as sound:
                async for chunk in sound:
                    pcm += chunk
            await reply.aclose()
            assert np.abs(from_pcm(pcm)).max() > 0.1
    finally:
        await engine.stop()
