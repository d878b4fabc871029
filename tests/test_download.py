"""`wyoming-csm download`: models ahead of time, from a hub on loopback, then without one."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.fake_hub import FakeHub, point_at, serving
from wyoming_csm.__main__ import main
from wyoming_csm.command_words import FURTHER as OFFERED
from wyoming_csm.config import CsmConfig
from wyoming_csm.worker.csm.checkpoints import find_checkpoint
from wyoming_csm.worker.csm.resumed import LEAST_BYTES
from wyoming_csm.worker.system.further_voices import FURTHER

NAME = "somebody/csm"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """With weights that are large enough to be gone on with."""
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "csm"}')
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(bytes(LEAST_BYTES))
    with serving(FakeHub(NAME, folder)) as hub:
        point_at(monkeypatch, hub.url)
        yield hub


def run(tmp_path: Path, *words: str, **settings: object) -> int:
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"csm": {"checkpoint": NAME}, **settings}))
    folder = str(tmp_path / "models")
    return main(["download", *words, "--config", str(file), "--download-dir", folder])


def test_weights_are_here_and_nothing_is_asked_afterwards(
    hub: FakeHub,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert run(tmp_path, "csm") == 0
    said = capsys.readouterr()
    assert f"csm: {NAME} is in " in said.out
    assert f"downloading {NAME}" in said.err
    assert sorted(set(hub.fetched)) == ["config.json", "model.safetensors", "tokenizer.json"]
    assert hub.sent["model.safetensors"] == LEAST_BYTES
    point_at(monkeypatch, "http://127.0.0.1:9")  # no network any more
    assert run(tmp_path, "csm") == 0
    config = CsmConfig(checkpoint=NAME)
    assert find_checkpoint(config, tmp_path / "models", print).folder.is_dir()


def test_a_download_that_was_cut_off_goes_on(
    hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.cut = "model.safetensors"
    assert run(tmp_path, "csm") == 2
    assert "goes on where this stopped" in capsys.readouterr().err
    assert 0 < hub.sent["model.safetensors"] < LEAST_BYTES
    hub.cut = ""
    assert run(tmp_path, "csm") == 0
    assert hub.sent["model.safetensors"] == LEAST_BYTES, "nothing came twice"


def test_gated_weights_are_said_with_the_page(
    hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.token = "secret"
    assert run(tmp_path, "csm") == 2
    assert f"accept it at https://huggingface.co/{NAME}" in capsys.readouterr().err


def test_room_is_looked_at_before_anything_large_comes(
    hub: FakeHub,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usage = SimpleNamespace(free=1_000_000)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    assert run(tmp_path, "csm") == 2
    assert "make room, or set download_dir" in capsys.readouterr().err
    assert "model.safetensors" not in hub.sent


def test_a_wrong_name_gets_the_nearest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "coki") == 2
    assert "did you mean coqui?" in capsys.readouterr().err


def test_a_model_of_the_users_own_is_looked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "coqui", coqui={"checkpoint": f"{tmp_path}/no.pth"}) == 2
    assert "correct coqui.checkpoint" in capsys.readouterr().err


def test_a_light_server_needs_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, engines=["system"]) == 2
    assert "needs no models; name one" in capsys.readouterr().err


def test_voices_that_are_offered_are_those_that_there_are() -> None:
    assert tuple(voice.name for voice in FURTHER) == OFFERED
