"""The README is true: commands, files, settings and stations that it names are there."""

import re
import runpy
from pathlib import Path

import pytest
import yaml

from wyoming_csm.__main__ import main
from wyoming_csm.command_words import COMMANDS
from wyoming_csm.config import Config, parse
from wyoming_csm.settings import settings_of

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CODE = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", README, flags=re.DOTALL))


def test_the_list_of_settings_is_the_schema() -> None:
    page = runpy.run_path(str(ROOT / "script/describe_config.py"))["page"]()
    assert (ROOT / "docs/settings.md").read_text() == page, "run script/describe_config.py"
    for setting in settings_of(Config):
        for path in [part.path for part in setting.parts] or [setting.path]:
            assert f"| `{path}` |" in page


def test_examples_of_configuration_are_right() -> None:
    examples = re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL)
    assert examples
    for example in examples:
        parse(yaml.safe_load(example))


def test_settings_it_names_exist() -> None:
    known = {part.path for s in settings_of(Config) for part in (s, *s.parts)}
    sections = {s.path for s in settings_of(Config) if s.parts}
    named = {code for code in CODE if re.fullmatch(r"(\w+)\.\w+", code)}
    named = {code for code in named if code.partition(".")[0] in sections}
    assert {"csm.token_file", "limits.networks"} <= named
    assert named <= known


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!http)([^)]+)\)", README))))
def test_links_lead_somewhere(link: str) -> None:
    if link.startswith("#"):
        headings = re.findall(r"^#+ (.*)$", README, flags=re.MULTILINE)
        assert link[1:] in [heading.lower().replace(" ", "-") for heading in headings]
    else:
        assert (ROOT / link).exists()


@pytest.mark.parametrize(
    "command",
    sorted(
        {code.split()[0] for code in CODE if re.match(r"(script|\.ci)/|\./run", code)}
        | set(re.findall(r"^(script/\w+|\./run\.sh)", README, flags=re.MULTILINE))
    ),
)
def test_commands_can_be_run(command: str) -> None:
    assert (ROOT / command).stat().st_mode & 0o111


def test_the_two_commands_come_first() -> None:
    first = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)[0]
    assert [line.split()[0] for line in first.splitlines()] == ["./run.sh", "script/test"]


def test_stations_are_modules() -> None:
    named = {
        code
        for code in CODE
        if re.fullmatch(r"(server|text|engines|worker|model|speech)(/\w+)*", code)
    }
    assert len(named) >= 8
    for code in named:
        path = ROOT / "wyoming_csm" / code
        assert path.is_dir() or path.with_suffix(".py").is_file(), code


def test_words_of_the_command_exist(capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            main([command.name, "--help"])
    known = capsys.readouterr().out
    words = set(
        re.findall(
            r"(--[a-z-]+)", " ".join(c for c in CODE if re.match(r"\./run|wyoming-csm|--", c))
        )
    )
    assert words
    for word in words:
        assert word in known


def test_the_honest_line_is_there() -> None:
    assert "**Not yet heard:**" in README
