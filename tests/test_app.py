"""The composition root: what is found while it runs is listed."""

import asyncio
import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.engines.helpers import speak
from tests.server.clients import logged
from tests.voice_folders import make
from wyoming_csm.app import App
from wyoming_csm.config import Config, CsmConfig, parse
from wyoming_csm.engines.base import Engine
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.errors import ConfigError
from wyoming_csm.server.info import make_info


async def test_a_new_voice_is_listed_after_the_regular_look(tmp_path: Path) -> None:
    folder = tmp_path / "voices"
    config = replace(Config(), voices=str(folder), data_dir=str(tmp_path), engines=("csm",))
    app = App(config)
    assert "anna" not in [voice.name for voice in app.engine.voices]
    make(folder, "anna")
    await app.look_at_voices()
    assert "anna" in [voice.name for voice in make_info(config, app.engine).tts[0].voices]
    listed = app.engine.voices
    await app.look_at_voices()
    assert app.engine.voices is listed  # nothing is new


async def test_a_folder_that_hangs_makes_a_name_unknown_and_nobody_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One look hangs, however many ask; what it found when it is back is listed."""
    monkeypatch.setattr("wyoming_csm.app.ANSWER_SECONDS", 0.05)
    monkeypatch.setattr("wyoming_csm.app.MISSED_SECONDS", 0.0)
    folder, back = tmp_path / "voices", threading.Event()
    looks: list[None] = []
    app = App(replace(Config(), voices=str(folder), data_dir=str(tmp_path), engines=("csm",)))
    make(folder, "anna")
    refresh = app.book.refresh

    def hangs() -> bool:
        looks.append(None)
        return back.wait(60.0) and refresh()

    monkeypatch.setattr(app.book, "refresh", hangs)
    try:
        async with asyncio.timeout(30):
            for _ in range(20):
                await app.look_for_voice()
        assert len(looks) == 1
        assert "anna" not in [voice.name for voice in app.engine.voices]
    finally:
        back.set()
    await app.look_at_voices()
    assert "anna" in [voice.name for voice in app.engine.voices]


async def test_the_default_voice_is_rehearsed_by_whoever_speaks_it(tmp_path: Path) -> None:
    config = replace(Config(), data_dir=str(tmp_path), engines=("csm", "system"), language="en-GB")
    app = App(config)
    assert not await app.rehearsal.rehearse(), "nobody is ready"
    await app.engines[-1].start()
    await app.engines[-1].wait_loaded()
    assert await app.rehearsal.rehearse()
    assert app.mixer.gains is not None
    assert app.mixer.gains.of("system/system_en-GB") is not None
    assert not await app.rehearsal.rehearse(), "it is known"
    await app.engine.stop()


@pytest.mark.parametrize(
    ("language", "speaker"),
    [
        ("de-AT", "system_de-DE"),
        ("en-GB", "system_en-GB"),
        ("en", "system_en-US"),
        ("fr_CA", "system_fr-FR"),
    ],
)
async def test_while_csm_is_away_the_nearest_voice_of_the_language_speaks_and_it_is_said(
    tmp_path: Path, language: str, speaker: str, caplog: pytest.LogCaptureFixture
) -> None:
    make(tmp_path / "voices", "anna", f"language: {language}\n")
    config = parse(
        {
            "voices": str(tmp_path / "voices"),
            "data_dir": str(tmp_path),
            "engines": ["csm", "system"],
            "presets": {"night": {"voice": "anna", "gain": -6}},
        }
    )
    app = App(config)
    system = app.engines[1]
    await system.start()
    await system.wait_loaded()
    described = {voice.name: voice for voice in app.engine.voices}
    instead = described[speaker].description
    for name in ("anna", "night"):
        assert described[name].description.startswith(f"{name} (now spoken by {instead}: ")
        reply = app.engine.start_reply(described[name])
        assert await speak(reply)
        assert reply.spoken_by == f"system/{speaker}"
        await reply.aclose()
    assert f"system/{speaker} speaks for csm's voices: " in caplog.text
    await app.engine.stop()


def said_at_start(config: Config, caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    caplog.clear()
    App(config)
    return [(one.levelname, one.getMessage()) for one in logged(caplog)]


async def test_recorded_voices_that_can_be_used_are_named_at_the_start_and_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for name in ("anna", "bob", "carl"):
        make(tmp_path / "voices", name)
    (tmp_path / "voices/carl/clip.txt").unlink()
    config = Config(voices=str(tmp_path / "voices"), data_dir=str(tmp_path))
    fault, named = said_at_start(config, caplog)
    assert fault[1].startswith("Voice 'carl' cannot be used: ")
    assert named == ("INFO", "Recorded voices: anna, bob")
    assert said_at_start(replace(config, engines=("system",)), caplog) == [fault]
    app = App(config)
    (tmp_path / "voices/bob/clip.txt").unlink()
    await app.look_at_voices()
    assert caplog.messages[-1] == "Recorded voices: anna"


def test_a_configured_folder_of_voices_that_is_missing_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.INFO)
    config = Config(data_dir=str(tmp_path))
    words = "The folder of recorded voices my does not exist: create it, or correct `voices`"
    assert said_at_start(replace(config, voices="my"), caplog) == [("WARNING", words)]
    assert said_at_start(config, caplog) == [], "the default folder need not exist"


@pytest.mark.parametrize(("settings", "seconds"), [({}, 0.0), ({"while_waking": "wait"}, 3.0)])
def test_how_long_a_request_waits_for_an_engine_asleep(
    tmp_path: Path, settings: dict[str, str], seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def made(engines: Sequence[Engine], waits: float, **others: Any) -> Fallback:
        asked.append(waits)
        return Fallback(engines, waits, **others)

    monkeypatch.setattr("wyoming_csm.app.Fallback", made)
    csm = CsmConfig(device=("cuda:0", "cuda:1"), **settings)  # type: ignore[arg-type]
    house = App(replace(Config(), csm=csm, data_dir=str(tmp_path)))
    assert [engine.name for engine in house.engines] == ["csm", "csm", "coqui", "system"]
    assert asked == [seconds]


def test_a_clone_that_is_only_to_be_read_serves_from_a_folder_of_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to("/proc/no")  # root, too, cannot make that
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "own"))
    App(Config())
    assert (tmp_path / "own/wyoming-csm").is_dir()
    assert "own/wyoming-csm is used" in caplog.text
    with pytest.raises(ConfigError, match=r"data_dir: /proc/no/x cannot be made"):
        App(Config(data_dir="/proc/no/x"))
