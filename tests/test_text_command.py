"""`wyoming-csm text` shows what would be spoken."""

import io
from pathlib import Path

import pytest

from wyoming_csm.__main__ import main


@pytest.fixture(autouse=True)
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to an empty folder; return its configuration's."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    return tmp_path / "config"


def shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str, *words: str
) -> list[str]:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert main(["text", *words]) == 0
    return capsys.readouterr().out.splitlines()


def test_each_line_is_shown_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "It is **21.5°C** at 10:30. 35 μg/m³!\n\nDO NOT ENTER\n"
    assert shown(monkeypatch, capsys, text, "--engine", "csm") == [
        "It is twenty-one point five degrees Celsius at ten thirty."
        " Thirty-five micrograms per cubic meter!",
        "",
        "Do not enter",
    ]


def test_the_rule_of_each_change_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = shown(monkeypatch, capsys, "Um 9:15 & 3 km.", "--language", "de", "--explain")
    assert lines == [
        "Um neun Uhr fünfzehn und drei Kilometer.",
        "  time: 9:15 → neun Uhr fünfzehn",
        "  measure: 3 km → drei Kilometer",
        "  sign: & → und",
    ]


def test_ssml(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    text = '<speak>Wait 3 s.<break time="500ms"/>Go.</speak>'
    assert shown(monkeypatch, capsys, text, "--ssml") == ["Wait three seconds. [pause 0.5 s] Go."]


def test_a_language_is_that_of_the_configuration_without_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown(monkeypatch, capsys, "5 %") == ["Five percent"]


def test_settings_and_lexicons_count_as_in_the_server(
    installation: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (installation / "lexicon.yaml").write_text("wi-fi: why fie\n", encoding="utf-8")
    (installation / "config.yaml").write_text(
        "reading: {addresses: dropped}\n"
        "presets: {night: {voice: system_de-DE, lexicon: {Nest: Nesst}}}\n",
        encoding="utf-8",
    )
    text = "Wi-Fi 2 in a Nest: https://a.example now"
    assert shown(monkeypatch, capsys, text, "--explain") == [
        "why fie two in a Nest: now",
        "  lexicon: Wi-Fi → why fie",
        "  number: 2 → two",
    ]
    assert shown(monkeypatch, capsys, text, "--voice", "night") == ["why fie zwei in a Nesst: now"]


def test_another_voice_is_named_and_speaks_its_own_language(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "It is 5. <lang xml:lang='de'>Es ist 5.</lang> And <lang xml:lang='tlh'>wa 5</lang>"
    assert shown(monkeypatch, capsys, text, "--engine", "system", "--explain") == [
        "It is five. [system_de-DE] Es ist fünf. [system_en-US] And wa five",
        "  number: 5 → five",
        "  number: 5 → fünf",
        "  number: 5 → five",
        "  no voice here has it: tlh",
    ]


def test_a_voice_that_does_not_exist_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("Hello."))
    assert main(["text", "--voice", "nobody"]) == 2
    assert "There is no voice 'nobody'" in capsys.readouterr().err
