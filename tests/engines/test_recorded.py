"""Recorded voices that their engine's child cannot use: listed as such, and spoken by others."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from benchmarks.fixtures.fake_child import COMMAND
from tests.engines.helpers import ANNA, speak, started, until
from tests.fakes import FakeEngine, fake_voice
from tests.server.clients import warnings
from wyoming_csm.config import Config
from wyoming_csm.engines.child_engine import ChildEngine, RecordedVoices
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.engines.watchdog import Timeouts
from wyoming_csm.server.info import make_info
from wyoming_csm.voice_choice import default_first
from wyoming_csm.voices import Clip, Voice
from wyoming_csm.worker.protocol import Configure


def recorded(folder: Path, name: str, version: str = "") -> Voice:
    clip = Clip(str(folder / f"{name}.wav"), "Hello.", version)
    return replace(fake_voice(name, "en", "fake"), clips=(clip,))


class App:
    """An engine over a fake child, whose recorded voices a test may change."""

    def __init__(self, *voices: Voice, shared: RecordedVoices | None = None) -> None:
        self.voices = voices
        self.engine = ChildEngine(
            Configure("fake", {}, "", ""),
            voices=lambda: self.voices,
            recorded=shared or RecordedVoices(lambda: self.voices),
            probe=lambda: None,
            patience=Timeouts(30.0),
            command=COMMAND,
        )

    def faults(self) -> list[str]:
        return [voice.fault for voice in self.engine.voices]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[App]:
    """The recording of `anna` is there, that of `bert` is not."""
    (tmp_path / "anna.wav").touch()
    house = App(*(recorded(tmp_path, name) for name in ("anna", "bert")))
    await started(house.engine)
    yield house
    await house.engine.stop()


async def test_what_the_child_finds_out_is_in_the_list(house: App) -> None:
    await until(house.engine, lambda: house.faults() == ["", "it is not there"])
    fallback = Fallback([house.engine])
    told = make_info(Config(), fallback).tts[0].voices
    assert [(voice.description or "").strip() for voice in told] == [
        "Anna",
        "Bert (cannot be used: it is not there)",
    ]
    for voice in house.voices:
        own = house.engine.voice_for(voice)
        assert own is not None
        assert own.name == "anna"


async def test_another_recording_is_another_try(house: App, tmp_path: Path) -> None:
    await until(house.engine, lambda: house.faults() == ["", "it is not there"])
    (tmp_path / "bert.wav").touch()
    house.voices = (house.voices[0], recorded(tmp_path, "bert", "2"))
    assert house.faults() == ["", ""]
    house.engine.changed()
    house.voices = (*house.voices, recorded(tmp_path, "carl"))
    house.engine.changed()
    await until(house.engine, lambda: house.faults() == ["", "", "it is not there"])


async def test_asked_to_look_again_it_tries_again(house: App, tmp_path: Path) -> None:
    await until(house.engine, lambda: house.faults() == ["", "it is not there"])
    (tmp_path / "bert.wav").touch()
    await house.engine.start()
    await until(house.engine, lambda: house.faults() == ["", ""])


async def test_each_of_several_children_is_told_of_all(tmp_path: Path) -> None:
    (tmp_path / "anna.wav").touch()
    voices = tuple(recorded(tmp_path, name) for name in ("anna", "bert"))
    shared = RecordedVoices(lambda: voices)
    first, second = (App(*voices, shared=shared).engine for _ in range(2))
    await started(first)
    await until(first, lambda: first.voices[1].fault == "it is not there")
    (tmp_path / "bert.wav").touch()
    await started(second)  # which sees what is there now
    await until(second, lambda: first.voices[1].fault == second.voices[1].fault == "")
    await asyncio.gather(first.stop(), second.stop())


async def test_the_next_engine_speaks_for_it_and_says_so_once(
    fallback: Fallback, csm: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    broken = replace(ANNA, fault="it is silent")
    csm.have_voices(broken, fake_voice("bert", "en", "csm"))
    for _ in range(3):
        reply = fallback.start_reply(broken)
        assert await speak(reply)
        assert reply.spoken_by == "coqui/lj"
    assert warnings(caplog) == ["coqui/lj speaks for anna, which cannot be used: it is silent"]
    own = fallback.voice_for(broken)
    assert own is not None
    assert own.name == "lj"


def test_it_is_no_default_unless_it_was_configured() -> None:
    voices = [replace(ANNA, fault="it is silent"), fake_voice("bert"), fake_voice("carl")]
    assert [voice.name for voice in default_first(voices, Config())] == ["bert", "anna", "carl"]
    assert default_first(voices, replace(Config(), voice="anna"))[0].name == "anna"
    assert default_first(voices[:1], Config()) == voices[:1]
