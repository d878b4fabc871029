"""The README and docs/ are true: commands and settings that they name are there."""

import re
import runpy

import pytest
import yaml

from tests.documents import DOCUMENTS, ROOT
from wyoming_csm.__main__ import main
from wyoming_csm.command_words import COMMANDS
from wyoming_csm.config import Config, parse
from wyoming_csm.settings import settings_of

README = DOCUMENTS[0]
CODE = [code for document in DOCUMENTS for code in document.code]
NOTES = ("docs/measured.md", "docs/engine-notes.md")  # name other programs' words, too
GUIDES = [code for document in DOCUMENTS if document.name not in NOTES for code in document.code]


def test_the_list_of_settings_is_the_schema() -> None:
    page = runpy.run_path(str(ROOT / "script/describe_config.py"))["page"]()
    assert (ROOT / "docs/settings.md").read_text() == page, "run script/describe_config.py"
    for setting in settings_of(Config):
        for path in [part.path for part in setting.parts] or [setting.path]:
            assert f"| `{path}` |" in page


def test_examples_of_configuration_are_right() -> None:
    of_voices = "config/voices/README.md"  # has another schema, which its own reader checks
    pages = [document for document in DOCUMENTS if document.name != of_voices]
    examples = [example for document in pages for example in document.blocks("yaml")]
    assert len(examples) > 3
    for example in examples:
        parse(yaml.safe_load(example))


def test_settings_it_names_exist() -> None:
    known = {part.path for s in settings_of(Config) for part in (s, *s.parts)}
    sections = {s.path for s in settings_of(Config) if s.parts}
    named = {code for code in CODE if re.fullmatch(r"(\w+)\.\w+", code)}
    named = {code for code in named if code.partition(".")[0] in sections}
    assert {"csm.token_file", "limits.networks"} <= named
    assert named <= known


@pytest.mark.parametrize(
    "command",
    sorted(
        {code.split()[0] for code in CODE if re.match(r"(script|\.ci)/\w|\./run", code)}
        - {"script/wyoming-csm.service"}
    ),
)
def test_commands_can_be_run(command: str) -> None:
    assert (ROOT / command).stat().st_mode & 0o111


def test_the_two_commands_come_first() -> None:
    assert README.commands[:2] == ["./run.sh", "script/test"]


def test_words_of_the_command_exist(capsys: pytest.CaptureFixture[str]) -> None:
    for told in ([], *([command.name] for command in COMMANDS)):
        with pytest.raises(SystemExit):
            main([*told, "--help"])
    known = capsys.readouterr().out
    words = set(
        re.findall(
            r"(--[a-z-]+)",
            " ".join(c for c in GUIDES if re.match(r"\./run|wyoming-csm|--(?!read-only)", c)),
        )
    )
    assert words
    for word in words:
        assert word in known


def test_the_honest_line_is_there() -> None:
    assert "**Not yet heard:**" in README.text
