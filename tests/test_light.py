"""--light: the system voice alone, whatever is installed or configured; and what is said of it."""

import asyncio
import json
import logging
import os
import subprocess
import sys
import wave
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.server.clients import logged
from tests.voice_folders import make
from wyoming_csm.__main__ import main
from wyoming_csm.app import App, running
from wyoming_csm.command_line import configure, parse_words
from wyoming_csm.config import Config, CsmConfig, with_system_voice_only
from wyoming_csm.engines.base import Phase
from wyoming_csm.installer import INSTALLER
from wyoming_csm.voice_choice import VoiceRequest, choose_voice


def configured(folder: Path, *words: str) -> Config:
    (folder / "file.json").write_text(json.dumps({"voice": "anna", "engines": ["csm", "system"]}))
    return configure(parse_words([*words, "--config", str(folder / "file.json")]))


@pytest.mark.parametrize(
    "words",
    [
        ["--light"],
        ["--light", "serve"],
        ["serve", "--light"],
        ["--debug", "--light"],
        ["--light", "say", "Hello."],
        ["say", "Hello.", "--light"],
    ],
)
def test_it_is_a_word_of_the_command(tmp_path: Path, words: list[str]) -> None:
    arguments = parse_words(words)
    assert arguments.command == ("say" if "say" in words else "serve")
    assert getattr(arguments, "text", ["Hello."]) == ["Hello."]
    config = configured(tmp_path, *words)
    assert (config.engines, config.voice) == (("system",), None)


def test_without_it_nothing_changes(tmp_path: Path) -> None:
    config = configured(tmp_path)
    assert (config.engines, config.voice) == (("csm", "system"), "anna")


def test_a_voice_of_the_systems_stays_the_default(tmp_path: Path) -> None:
    assert configured(tmp_path, "--light", "--voice", "system_de-DE").voice == "system_de-DE"


async def test_only_what_speaks_here_is_listed_and_every_name_is_spoken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    make(tmp_path / "voices", "anna")
    config = replace(Config(), voices=str(tmp_path / "voices"), data_dir=str(tmp_path))
    config = with_system_voice_only(replace(config, voice="anna"))
    async with running(config) as house:
        await house.engine.wait_loaded()
        voices = house.engine.voices
        assert {voice.engine for voice in voices} == {"system"}
        for name in ("anna", "speaker_0", "coqui_en"):
            voice, _ = choose_voice(voices, VoiceRequest(name=name), config)
            assert voice is not None
            assert voice.name == "system_en-US"
    assert [record for record in logged(caplog) if record.levelno > logging.INFO] == []
    (line,) = [one.getMessage() for one in logged(caplog) if "eft out" in one.getMessage()]
    assert line == "Left out by choice (--light or `engines`): csm, coqui"


def test_say_speaks_though_the_files_voice_is_anothers(tmp_path: Path) -> None:
    (tmp_path / "file.json").write_text('{"voice": "anna"}')
    command = [sys.executable, "-m", "wyoming_csm", "--light", "say", "Hello.", "-o", "said.wav"]
    done = subprocess.run(
        [*command, "--config", "file.json"], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with wave.open(str(tmp_path / "said.wav")) as sound:
        assert sound.getnframes() > 6_000


@pytest.mark.parametrize(
    ("words", "works"), [(["serve"], True), (["serve", "--light"], False), (["say", "Hi."], False)]
)
def test_an_installer_works_beside_a_server_only(
    tmp_path: Path, words: list[str], works: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(INSTALLER, "install.py")
    monkeypatch.setattr(asyncio, "run", lambda work: work.close() or 0)  # just its beginning
    assert main(words) == 0
    assert (INSTALLER in os.environ) is works


@pytest.mark.parametrize("installing", ["", "1"])
async def test_nobody_is_told_to_start_what_is_at_work_already(
    tmp_path: Path,
    installing: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """run.sh tells the server that its installer works beside it."""
    caplog.set_level(logging.INFO)
    monkeypatch.setenv(INSTALLER, installing)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)  # as if it were not installed
    csm = CsmConfig(device="cuda")
    house = App(Config(engines=("csm",), csm=csm, data_dir=str(tmp_path), voices=str(tmp_path)))
    await house.engine.start()
    await house.engine.wait_loaded()
    await house.engine.stop()
    ((level, said),) = [(one.levelno, one.getMessage()) for one in logged(caplog)]
    if installing:
        assert level == logging.INFO
        assert said == (
            "csm is left out: not installed yet: ./run.sh is installing what this machine can use"
        )
    else:
        assert level == logging.WARNING
        assert "not installed: huggingface-hub: ./run.sh (without --light)" in said
    assert house.engine.status.phase is Phase.ABSENT
