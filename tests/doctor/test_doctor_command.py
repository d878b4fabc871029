"""The command: a screen, JSON, and the exit code."""

import json
from pathlib import Path

import pytest

from tests.doctor.fake_machine import FakeMachine
from wyoming_csm.__main__ import main
from wyoming_csm.config import Config, parse
from wyoming_csm.doctor.command import Wishes, doctor
from wyoming_csm.doctor.machine import Answer

QUICK = Wishes(quick=True)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """In a folder of its own, with a model of Coqui's."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.pth").touch()
    return parse({"coqui": {"checkpoint": "model.pth"}})


def test_a_screen_of_lines_and_0(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor(config, QUICK, FakeMachine()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ok   Python      3.13"
    assert lines[-1] == "All is well."
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80


def test_what_fails_is_1_with_its_cure_below(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = FakeMachine(answers={"tcp://127.0.0.1:10200": Answer(False)}, process="nginx")
    assert doctor(config, QUICK, machine) == 1
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("fail port        tcp://0.0.0.0:10200 is taken by nginx")
    assert lines[at + 1].startswith("                 → end nginx, or serve elsewhere")
    assert lines[-1].startswith("1 of these fail, 0 could be better")


def test_a_warning_alone_is_0(config: Config) -> None:
    assert doctor(config, QUICK, FakeMachine(time=0, their_time=600)) == 0


def test_one_document_for_programs(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    machine = FakeMachine(python=(3, 15))
    assert doctor(config, Wishes(quick=True, as_json=True), machine) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["fails"], told["warns"]) == (1, 0)
    assert told["checks"][0] == {
        "name": "Python", "level": "fail", "found": "3.15 is too new: nothing was tried with it",
        "cure": told["checks"][0]["cure"],
    }  # fmt: skip


@pytest.mark.parametrize("command", [["doctor", "--quick"], ["serve"]])
def test_one_port_for_both_is_named(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text("http: {address: 127.0.0.1:10200}")
    assert main([*command, "--light", "--config", str(settings)]) != 0
    told = capsys.readouterr().err
    assert "are one port" in told
    assert "--http 127.0.0.1:10201" in told


@pytest.mark.slow(seconds=8)
def test_this_machine_can_be_examined(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text(
        json.dumps(
            {
                "uri": "tcp://127.0.0.1:0",
                "engines": ["system"],
                "data_dir": str(tmp_path),
                "voices": f"{tmp_path}/voices",
                "discovery": {"enabled": False},
            }
        )
    )
    assert main(["doctor", "--json", "--config", str(settings)]) == 0
    told = {one["name"]: one for one in json.loads(capsys.readouterr().out)["checks"]}
    assert told["port"]["level"] == "ok"
    assert told["say system"]["level"] in ("ok", "warn")
    assert told["GPU"]["level"] == "skip"


@pytest.mark.slow(seconds=4)
def test_verify_that_cannot_run_is_a_finding(
    tmp_path: Path, config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    away = parse({"csm": {"checkpoint": f"{tmp_path}/no", "device": "cpu"}, "voices": "/no"})
    assert doctor(away, Wishes(quick=True, verifies=True), FakeMachine()) == 1
    assert "fail verify      cannot run" in capsys.readouterr().out
