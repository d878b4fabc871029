"""The command: a screen, JSON, and the exit code."""

import json
from pathlib import Path

import pytest

from tests.doctor.fake_machine import FakeMachine
from wyoming_csm.__main__ import main
from wyoming_csm.command_line import configure_without_file, parse_words
from wyoming_csm.config import Config, parse
from wyoming_csm.doctor.command import Wishes, doctor
from wyoming_csm.doctor.finding import wrong_settings
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


def test_one_port_for_both_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text("http: {address: 127.0.0.1:10200}")
    assert main(["serve", "--light", "--config", str(settings)]) == 2
    told = capsys.readouterr().err
    assert "are one port" in told
    assert "--http 127.0.0.1:10201" in told


def test_what_was_found_before_comes_first_and_counts(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = wrong_settings("csm.modle: unknown setting", Path("bad.yaml"))
    assert doctor(config, Wishes(quick=True, as_json=True), FakeMachine(), wrong) == 1
    assert json.loads(capsys.readouterr().out)["checks"][0]["name"] == "settings"
    assert doctor(config, QUICK, FakeMachine(), wrong) == 1
    assert capsys.readouterr().out.startswith("fail settings    csm.modle: unknown setting\n")


@pytest.mark.parametrize(
    ("words", "uri"),
    [
        ("--uri tcp://127.0.0.1:7 --config bad.yaml", "tcp://127.0.0.1:7"),
        ("--uri tcp://127.0.0.1:7 --http 8002", Config().uri),
        ("--http 0.0.0.0:10200", Config().uri),
    ],
)
def test_where_settings_are_wrong_the_others_are_taken(words: str, uri: str) -> None:
    assert configure_without_file(parse_words(["doctor", *words.split()])).uri == uri
    light = configure_without_file(parse_words(["doctor", "--light", *words.split()]))
    assert light.engines == ("system",)


@pytest.mark.slow(seconds=8)
def test_this_machine_can_be_examined_and_wrong_settings_are_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a program's document, too: with nothing in it a program would not know what is wrong."""
    monkeypatch.chdir(tmp_path)
    Path("bad.yaml").write_text("csm: {modle: x}")
    words = ["--light", "--no-zeroconf", "--uri", "tcp://127.0.0.1:0", "--data-dir", str(tmp_path)]
    words += ["--log-format", "%(none)s"]
    assert main(["doctor", "--json", "--config", "bad.yaml", *words]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["fails"] == 1, document
    first, *others = document["checks"]
    assert (first["name"], first["level"]) == ("settings", "fail")
    assert first["found"].startswith("csm.modle: unknown setting; known are: checkpoint, ")
    assert "correct it in bad.yaml" in first["cure"]
    told = {one["name"]: one for one in others}
    assert told["port"]["level"] == "ok"
    assert told["say system"]["level"] in ("ok", "warn")
    assert told["GPU"]["level"] == told["discovery"]["level"] == "skip"


@pytest.mark.slow(seconds=4)
def test_verify_that_cannot_run_is_a_finding(
    tmp_path: Path, config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    away = parse({"csm": {"checkpoint": f"{tmp_path}/no", "device": "cpu"}, "voices": "/no"})
    assert doctor(away, Wishes(quick=True, verifies=True), FakeMachine()) == 1
    assert "fail verify      cannot run" in capsys.readouterr().out
