"""`say` and `voices preview` name the voice that spoke for another, and say why."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.voice_folders import make
from wyoming_csm.app import App
from wyoming_csm.config import Config, PresetConfig
from wyoming_csm.engines import csm
from wyoming_csm.voices_command import preview


async def test_who_speaks_instead_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a preset that is made of a clip's voice, too."""
    monkeypatch.setattr(csm, "signs", frozenset)
    make(tmp_path / "voices", "anna")
    settings = Config(
        engines=("csm", "system"),
        voices=str(tmp_path / "voices"),
        data_dir=str(tmp_path / "data"),
        presets={"night": PresetConfig(voice="anna", gain=-6.0)},
    )
    await preview(settings, "night", str(tmp_path / "said.wav"))
    lines = capsys.readouterr().err.replace("\r", "\n").splitlines()
    (line,) = [line for line in lines if " spoke, not " in line]
    assert line.startswith("system/system_en-US spoke, not night: csm cannot speak here: no GPU")


def test_why_a_voice_is_silent_is_its_own_fault_or_its_engines(tmp_path: Path) -> None:
    make(tmp_path / "voices", "anna")
    (make(tmp_path / "voices", "bert") / "clip.txt").unlink()
    app = App(Config(voices=str(tmp_path / "voices"), data_dir=str(tmp_path / "data")))
    anna, bert = app.book.voices
    assert app.why_silent(anna) == "csm cannot speak here: not started"
    assert app.why_silent(bert) == bert.fault != ""
    assert app.why_silent(replace(anna, engine="other")) == "it is not there"
