"""Parses the command line: its words over the settings of a file, and help that fits a screen."""

import argparse
import difflib
import logging
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from msgspec.structs import replace

from wyoming_csm import __version__
from wyoming_csm.command_words import COMMANDS, DEFAULT_CONFIG, EXAMPLES, SETTINGS, Command, Word
from wyoming_csm.config import SECTIONS, Config, load, with_system_voice_only
from wyoming_csm.errors import ConfigError

_LOGGER = logging.getLogger(__name__)

_NAMES = tuple(command.name for command in COMMANDS)
_UNCONFIGURED = tuple(command.name for command in COMMANDS if not command.configured)
_PROGRAM = "wyoming-csm"
_WIDTH = 80  # columns of a terminal; its 24 lines are why settings are listed once, in `serve`
_layout = partial(argparse.RawDescriptionHelpFormatter, max_help_position=26, width=_WIDTH)


def parse_words(words: list[str]) -> argparse.Namespace:
    """Parse the command line; without a command it is `serve`. Exits on a wrong word."""
    parser, by_name = _make_parser()
    light = [word for word in words[:1] if word == "--light"]  # the only one before a command
    words = words[len(light) :]
    if words and words[0] not in _NAMES and not words[0].startswith("-"):
        _refuse(parser, words[0], _NAMES)  # with --help, too, which is not of `serve`
    if not words or (words[0] not in _NAMES and words[0] not in ("-h", "--help", "--version")):
        words = ["serve", *words]
    command = 2 if words[0] == "voices" else 1  # so many words
    found, unknown = parser.parse_known_args([*words[:command], *light, *words[command:]])
    if unknown:
        told = by_name.get(" ".join(words[:command]), parser).format_help()
        _refuse(parser, unknown[0], (*_NAMES, *re.findall(r"--[a-z-]+", told)))
    return found


def _refuse(parser: argparse.ArgumentParser, word: str, known: tuple[str, ...]) -> NoReturn:
    near = difflib.get_close_matches(word.partition("=")[0], known, n=1)
    cure = f"did you mean {near[0]}?" if near else "--help names all"
    parser.error(f"unknown word {word!r}; {cure}")


def _make_parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """Return the parser, and those of all commands by their words."""
    parser = _Whole(prog=_PROGRAM, usage="%(prog)s [COMMAND] [words]", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=__version__)
    by_name: dict[str, argparse.ArgumentParser] = {}
    _add(parser, "command", COMMANDS, by_name)
    return parser, by_name


class _Whole(argparse.ArgumentParser):
    """The program's own parser, whose help lists the commands."""

    def format_help(self) -> str:
        """Return a screen of help."""
        listed = [f"  {command.name:<11} {command.help}" for command in COMMANDS]
        return "\n".join(
            (
                *(
                    self.format_usage().rstrip(),
                    "Text to speech over the Wyoming protocol with CSM-1B.",
                ),
                *("", "commands:", *listed, "", "options:"),
                "  -h, --help  this; after a command: its words",
                "  --version   print the version",
                "  --light     only the system voice; ./run.sh installs no more engines",
                *("", _examples(EXAMPLES), ""),
            )
        )


def _add(
    parser: argparse.ArgumentParser,
    dest: str,
    commands: tuple[Command, ...],
    by_name: dict[str, argparse.ArgumentParser],
    above: str = "",
) -> None:
    """Add commands, or a command's actions, to a parser; note the parser of each."""
    below = parser.add_subparsers(
        dest=dest,
        required=bool(above),
        metavar="COMMAND",
        title="commands",
        prog=parser.prog,
        parser_class=argparse.ArgumentParser,
    )
    for command in commands:
        name = f"{above}{command.name}"
        made = below.add_parser(
            command.name,
            help=command.help,
            usage=_usage(name, command),
            description=f"{command.help[0].upper()}{command.help[1:]}.",
            epilog=_epilog(command),
            formatter_class=_layout,
            allow_abbrev=False,
        )
        by_name[name] = made
        if command.actions:
            _add(made, "action", command.actions, by_name, f"{command.name} ")
        else:
            _fill(made, command)


def _fill(parser: argparse.ArgumentParser, command: Command) -> None:
    either = parser.add_mutually_exclusive_group()
    for word in command.words:
        (either if word.either else parser).add_argument(*word.names, help=word.help, **word.more)
    for word in SETTINGS:
        told = word.help if command.name == "serve" else argparse.SUPPRESS
        parser.add_argument(*word.names, help=told, **word.more)


def _usage(name: str, command: Command) -> str:
    if command.actions:
        return f"{_PROGRAM} {name} {'|'.join(action.name for action in command.actions)} [words]"
    return " ".join([_PROGRAM, name, *filter(None, map(_shown, command.words)), "[options]"])


def _shown(word: Word) -> str:
    """Return how the usage shows a word; options are in the list below it."""
    if word.is_option:
        return ""
    name = str(word.more.get("metavar") or word.names[0].upper())
    match word.more.get("nargs"):
        case "*":
            return f"[{name}...]"
        case "+":
            return f"{name}..."
    return name


def _epilog(command: Command) -> str:
    others = f"and, as serve: {', '.join(word.names[0] for word in SETTINGS[:-1])}\n\n"
    if command.actions:
        others = f"Each has its words: {_PROGRAM} {command.name} ACTION --help\n\n"
    elif command.name == "serve" or not command.configured:
        others = ""
    return f"{others}{_examples(command.examples)}"


def _examples(lines: tuple[str, ...]) -> str:
    return "\n".join(["examples:", *(f"  {line}" for line in lines)])


def configure(
    arguments: argparse.Namespace, warn: Callable[[str], None] = _LOGGER.warning
) -> Config:
    """Read the settings of the file and, over them, of the command line. Raises ConfigError."""
    return _configure(arguments, file_of(arguments), _settings_of(arguments), warn)


def configure_without_file(arguments: argparse.Namespace) -> Config:
    """Return what the command line sets; nothing of it, but for --light, where that is wrong."""
    try:
        return _configure(arguments, None, _settings_of(arguments))
    except ConfigError:
        return _configure(arguments, None, {})


def file_of(arguments: argparse.Namespace) -> Path | None:
    """Return the file of settings that is named, or there; None for a command that needs none."""
    if arguments.command in _UNCONFIGURED:
        return None
    named: Path | None = arguments.config
    return named or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None)


def _settings_of(arguments: argparse.Namespace) -> dict[str, Any]:
    words: dict[str, Any] = {name: {} for name in SECTIONS}
    for setting, value in vars(arguments).items():
        section, _, name = setting.rpartition(".")
        if section and value is not None:
            words[section][name] = value
        elif setting in Config.__struct_fields__ and value is not None:
            words[setting] = value
    if "name" in words["discovery"]:  # of --zeroconf, "" without a name
        words["discovery"] = {"enabled": True} | {
            k: v for k, v in words["discovery"].items() if v != ""
        }
    if "dtype" in words["csm"]:
        words["csm"]["depth_dtype"] = None
    return words


def _configure(
    arguments: argparse.Namespace,
    path: Path | None,
    words: Mapping[str, Any],
    warn: Callable[[str], None] = _LOGGER.warning,
) -> Config:
    config = load(path, warn, words)
    if arguments.command != "serve" and config.log.level == "INFO":
        # a person waits for a sound, not for a log
        config = replace(config, log=replace(config.log, level="WARNING"))
    return with_system_voice_only(config, arguments.voice) if arguments.light else config
