"""Voices made of others: how they are listed, who speaks them, and what cannot be had."""

import logging
from pathlib import Path

import pytest
import soundfile
import yaml
from msgspec.structs import replace

from tests.engines.helpers import speak
from tests.fakes import FakeEngine, fake_voice
from tests.server.clients import warnings
from tests.voice_folders import make
from wyoming_csm.__main__ import main
from wyoming_csm.app import App
from wyoming_csm.config import Config, PresetConfig, parse
from wyoming_csm.engines.base import Phase
from wyoming_csm.engines.csm import csm_engines
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.engines.system import system_engine
from wyoming_csm.errors import ConfigError
from wyoming_csm.server.info import make_info
from wyoming_csm.voice_book import VoiceBook
from wyoming_csm.voice_choice import VoiceRequest, choose_voice
from wyoming_csm.voices import Manner, Voice

NIGHT = PresetConfig(voice="anna", gain=-6.0, pause=0.6, description="Anna at night")
ANNA, HANS = fake_voice("anna", engine="csm"), fake_voice("hans", "de", "system")


@pytest.fixture
def csm() -> FakeEngine:
    return FakeEngine("csm", voices=(ANNA,))


def house(csm: FakeEngine, **presets: PresetConfig) -> Fallback:
    return Fallback([csm, FakeEngine("system", voices=(HANS,))], presets=presets)


def named(engine: Fallback, name: str) -> Voice:
    return next(voice for voice in engine.voices if voice.name == name)


def test_a_preset_is_listed_with_the_language_of_its_voice(csm: FakeEngine) -> None:
    engine = house(csm, night=NIGHT, slow=PresetConfig(voice="hans", rate=0.8))
    (program,) = make_info(Config(), engine).tts
    shown = {v.name: (v.languages, (v.description or "").strip()) for v in program.voices}
    assert shown["night"] == (["en"], "Anna at night")
    assert shown["slow"] == (["de"], "slow")
    assert named(engine, "night").manner == Manner(gain=-6.0, pause=0.6)


def test_it_may_be_the_default(csm: FakeEngine) -> None:
    config = replace(Config(), voice="night")
    voice, complaint = choose_voice(house(csm, night=NIGHT).voices, VoiceRequest(), config)
    assert voice is not None
    assert (voice.name, complaint) == ("night", "")


async def test_its_engine_speaks_it(csm: FakeEngine) -> None:
    engine = house(csm, night=NIGHT)
    reply = engine.start_reply(named(engine, "night"))
    assert await speak(reply)
    await reply.aclose()
    assert csm.asked == ["Hello."]


def test_while_its_engine_is_away_it_says_who_speaks(csm: FakeEngine) -> None:
    engine = house(csm, night=NIGHT)
    csm.become(Phase.ABSENT, "no GPU: buy one")
    assert named(engine, "night").description == "Anna at night (now spoken by Hans: no GPU)"


def test_without_its_voice_it_stays_listed_and_says_the_cure(csm: FakeEngine) -> None:
    engine = house(csm, night=NIGHT)
    csm.have_voices()
    cure = "there is no voice 'anna': add it, or correct presets.night.voice"
    assert named(engine, "night").description == f"Anna at night (cannot be used: {cure})"
    csm.have_voices(replace(ANNA, fault="clip.txt is missing: write it"))
    assert "cannot be used: clip.txt is missing" in named(engine, "night").description


def test_a_voice_of_its_name_counts_more(csm: FakeEngine) -> None:
    assert named(house(csm, hans=NIGHT), "hans") == HANS


def test_a_real_engine_finds_the_voice_and_passes_the_manner_on(tmp_path: Path) -> None:
    make(tmp_path, "anna")
    book = VoiceBook(tmp_path)
    book.refresh()
    config = Config()
    (csm,), system = csm_engines(config, book), system_engine(config)
    engine = Fallback([csm, system], presets={"night": replace(NIGHT, rate=0.8)})
    night = named(engine, "night")
    own, instead = csm.voice_for(night), system.voice_for(night)
    assert own is not None
    assert instead is not None
    assert (own.name, own.clips, own.manner) == ("anna", book.voices[0].clips, night.manner)
    assert (instead.name, instead.manner.rate) == ("system_en-US", 0.8)


def test_settings_arrive() -> None:
    night = {"voice": "anna", "gain": -6, "pause": 0.5, "lexicon": {"Nest": "nesst"}}
    (preset,) = parse({"presets": {"night": night}}).presets.values()
    assert (preset.voice, preset.gain, preset.pause, preset.rate) == ("anna", -6, 0.5, 1)
    assert preset.lexicon == {"Nest": "nesst"}
    assert parse({"presets": None}).presets == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("presets: [a]", "presets: write below it, indented, its settings (Voices made"),
        ("presets: {night: anna}", "presets: write below it, indented, its settings (Voices"),
        ("presets: {night: {}}", "presets.night.voice is missing (The voice that it is made of"),
        (
            "presets: {night: {voice: a, gian: 3}}",
            "presets.night.gian: unknown setting; did you mean 'gain'?",
        ),
        ("presets: {night: {voice: a, gain: 13}}", "presets.night.gain: Expected `float` <= 12"),
        ("presets: {night: {voice: a, gain: .nan}}", "presets.night.gain: Expected `float`"),
        ("presets: {night: {voice: a, rate: 0.4}}", "presets.night.rate: Expected `float` >= 0.5"),
        ("presets: {no: {voice: a}}", "presets: the key False: Expected `str`, got `bool`; write"),
        ("presets: {a: {voice: b}, b: {voice: c}}", "presets.a.voice: 'b' is a preset, too"),
        ('presets: {"a\\nb": {voice: c}}', "presets: 'a\\nb': name and description are one line"),
    ],
)
def test_wrong_settings_are_named_with_the_cure(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(yaml.safe_load(text))
    assert words in str(refused.value)


def test_say_makes_the_pause_and_says_the_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(
        "engines: [system]\npresets:\n"
        "  short: {voice: system_en-US, pause: 0}\n"
        "  long: {voice: system_en-US, pause: 2}\n"
        "  wordy: {voice: system_en-US, pause: 0, lexicon: {door: the door of the kitchen}}\n"
    )
    seconds = {}
    for name in ("short", "long", "wordy"):
        words = ["say", "The door is open.", "Come in, it is cold.", "--voice", name]
        assert main([*words, "--config", "c.yaml", "-o", f"{name}.wav"]) == 0
        seconds[name] = soundfile.info(f"{name}.wav").duration
    assert 1.6 < seconds["long"] - seconds["short"] < 4.1
    assert seconds["wordy"] - seconds["short"] > 0.4


def said(presets: dict[str, object], folder: Path, caplog: pytest.LogCaptureFixture) -> App:
    caplog.clear()
    config = parse({"presets": presets, "voices": str(folder / "voices"), "data_dir": str(folder)})
    return App(config)


async def test_what_an_engine_cannot_do_is_said_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    make(tmp_path / "voices", "anna")
    good = {"voice": "anna", "temperature": 0.7, "gain": -6}
    said({"a": good, "b": {"voice": "anna", "rate": 1.2}}, tmp_path, caplog)
    assert warnings(caplog) == []
    app = said(
        {
            "b": {"voice": "system_de-DE", "temperature": 0.5},
            "speaker_1": {"voice": "speaker_0"},
            "c": {"voice": "zoe"},
        },
        tmp_path,
        caplog,
    )
    assert sorted(line.partition(":")[0] for line in warnings(caplog)) == [
        "presets.b.temperature",
        "presets.c.voice",
        "presets.speaker_1",
    ]
    caplog.clear()
    make(tmp_path / "voices", "zoe")
    await app.look_at_voices()
    assert warnings(caplog) == []
    assert not named(app.engine, "c").fault
