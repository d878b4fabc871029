"""The words of the command over the settings of a file."""

import json
from pathlib import Path
from typing import Any

import pytest

from wyoming_csm.command_line import configure, parse_words
from wyoming_csm.config import parse


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        ("--ligth", "unknown word '--ligth'; did you mean --light?"),
        ("serve --vioce=anna", "unknown word '--vioce=anna'; did you mean --voice?"),
        ("say Hello. --ouput x", "unknown word '--ouput'; did you mean --output?"),
        ("verify --frame 2", "unknown word '--frame'; did you mean --frames?"),
        ("doctr --help", "unknown word 'doctr'; did you mean doctor?"),
        ("--light doctr --help", "unknown word 'doctr'; did you mean doctor?"),
        ("rehearse --help", "unknown word 'rehearse'; --help names all"),
        ("verfy --frames 2", "unknown word 'verfy'; did you mean verify?"),
        ("say Hello. --uri tcp://a:1", "unknown word '--uri'; --help names all"),
    ],
)
def test_a_wrong_word_gets_the_nearest_right_one(
    words: str, cure: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse_words(words.split())
    assert capsys.readouterr().err.splitlines()[-1] == f"wyoming-csm: error: {cure}"


@pytest.mark.parametrize("command", ["say", "verify"])
def test_what_only_a_server_does_is_no_word_of_the_others(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["serve", "--help"], [command, "--help"]):
        with pytest.raises(SystemExit):
            parse_words(words)
        said = capsys.readouterr().out
        of_a_server = [word for word in ("--uri", "--zeroconf", "--no-zeroconf") if word in said]
        assert len(of_a_server) == (3 if words[0] == "serve" else 0)
        assert "--voice" in said


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        ("", {}),
        (
            "--uri tcp://a:1 --voice ann --data-dir d",
            {"uri": "tcp://a:1", "voice": "ann", "data_dir": "d"},
        ),
        ("--zeroconf", {"discovery": {"enabled": True, "name": "file"}}),
        ("--zeroconf here", {"discovery": {"enabled": True, "name": "here"}}),
        ("--zeroconf here --no-zeroconf", {"discovery": {"enabled": False, "name": "here"}}),
        (
            "doctor --no-zeroconf --debug",
            {"discovery": {"enabled": False}, "log": {"level": "DEBUG"}},
        ),
        (
            "doctor --zeroconf here --debug",
            {"discovery": {"enabled": True, "name": "here"}, "log": {"level": "DEBUG"}},
        ),
        ("--debug --log-format x", {"log": {"level": "DEBUG", "format": "x"}}),
        ("verify", {"log": {"level": "WARNING"}}),
        ("verify --debug", {"log": {"level": "DEBUG"}}),
        (
            "verify --dtype int8 --device cuda:1 --debug",
            {
                "csm": {"dtype": "int8", "depth_dtype": None, "device": "cuda:1"},
                "log": {"level": "DEBUG"},
            },
        ),
    ],
)
def test_words_count_more_than_the_file(
    tmp_path: Path, words: str, settings: dict[str, object]
) -> None:
    file: dict[str, Any] = {
        "uri": "tcp://b:2",
        "csm": {"dtype": "float32", "depth_dtype": "int4"},
        "discovery": {"enabled": False, "name": "file"},
        "log": None,
    }
    (tmp_path / "file.json").write_text(json.dumps(file))
    config = configure(parse_words([*words.split(), "--config", str(tmp_path / "file.json")]))
    for name, value in settings.items():
        file[name] = {**(file.get(name) or {}), **value} if isinstance(value, dict) else value
    assert config == parse(file)


@pytest.mark.parametrize("words", ["compare tcp://a:1 tcp://b:1", "completion bash"])
def test_what_needs_no_settings_reads_none(words: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("voices: [")
    configure(parse_words([*words.split(), "--config", str(tmp_path / "config.yaml")]))
