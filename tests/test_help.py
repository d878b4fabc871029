"""Help that fits a screen, and completion, of all commands."""

import itertools
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from wyoming_csm.command_line import parse_words
from wyoming_csm.command_words import COMMANDS, SETTINGS, SHELLS, Command
from wyoming_csm.completion import completion

ACTIONS = [
    (*above, command)
    for top in COMMANDS
    for above, command in [((), top), *(((top.name,), action) for action in top.actions)]
]


def help_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        parse_words([*words, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    "path", ACTIONS, ids=lambda path: " ".join(getattr(one, "name", one) for one in path)
)
def test_help_fits_a_screen_and_has_examples(
    path: tuple[str | Command, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    words = [one.name if isinstance(one, Command) else one for one in path]
    command = path[-1]
    assert isinstance(command, Command)
    lines = help_of(words, capsys).splitlines()
    assert len(lines) < 24
    assert max(map(len, lines)) < 80
    text = "\n".join(lines)
    for word in command.words:
        assert word.names[-1] in text.lower() or str(word.more.get("metavar")) in text
    for example in command.examples:
        assert f"  {example}" in lines
    assert command.examples
    offered = [word.names[0] in text for word in SETTINGS[:-1]]
    if not command.actions:
        assert all(offered) if command.configured else not any(offered)


@pytest.mark.parametrize("name", ["compare", "completion"])
def test_what_ignores_the_settings_does_not_offer_them(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--config" not in help_of([name], capsys)
    (lines,) = (line for line in completion("bash").splitlines() if f"    {name}) COMPR" in line)
    assert "--config" not in lines


def test_the_first_help_names_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    lines = help_of([], capsys).splitlines()
    assert len(lines) < 24
    for command in COMMANDS:
        assert f"  {command.name:<11} {command.help}" in lines
    assert "examples:" in lines
    assert "--light" in "".join(lines)


@pytest.mark.parametrize("path", ACTIONS, ids=lambda path: str(getattr(path[-1], "name", "")))
def test_examples_can_be_parsed(path: tuple[str | Command, ...]) -> None:
    command = path[-1]
    assert isinstance(command, Command)
    for example in command.examples:
        words = shlex.split(example.replace("(", " ").replace(")", " "), comments=True)
        (at,) = (n for n, word in enumerate(words) if word in ("wyoming-csm", "./run.sh"))
        own = itertools.takewhile(lambda word: word[0] not in "<>|", words[at + 1 :])
        assert parse_words(list(own)).command


# -- completion


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("d", ["doctor", "download"]),
        ("voices ", ["add", "fetch", "list", "preview", "remove", "reroll"]),
        ("voices add --re", ["--replace"]),
        ("voices fetch f", ["fable", "fenrir"]),
        ("text --engine ", ["coqui", "csm", "system"]),
        ("download c", ["coqui", "csm"]),
        ("completion ", sorted(SHELLS)),
        ("--li", ["--light"]),
        ("say --voice ", []),
        ("--config c", ["c.yaml"]),
        ("voices add anna c", ["c.yaml"]),
        ("doctor --q", ["--quick"]),
    ],
)
def test_bash_completes(tmp_path: Path, typed: str, offered: list[str]) -> None:
    (tmp_path / "c.yaml").touch()
    words = " ".join(f"'{word}'" for word in f"wyoming-csm {typed}".split(" "))
    script = (
        f"{completion('bash')}\nCOMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}}-1))\n"
        '_wyoming_csm; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-uc", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert sorted(filter(None, done.stdout.split("\n"))) == offered
    assert done.stderr == ""


@pytest.mark.parametrize("shell", SHELLS)
def test_every_word_is_in_every_shells_script(shell: str) -> None:
    script = completion(shell)
    for path in ACTIONS:
        command = path[-1]
        assert isinstance(command, Command)
        assert command.name in script
        for word in (*command.words, *SETTINGS):
            if word.is_option:
                assert word.names[-1].lstrip("-") in script
    if found := shutil.which(shell):
        subprocess.run([found, "-n"], input=script, text=True, check=True)
