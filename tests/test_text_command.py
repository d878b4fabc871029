"""`wyoming-csm text` shows what would be spoken."""

import io

import pytest

from wyoming_csm.__main__ import main


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
