"""The command line: its words over the settings of a file, then one of the commands."""

import argparse
import asyncio
import difflib
import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, get_args

from msgspec.structs import replace

from wyoming_csm import __version__
from wyoming_csm.config import SECTIONS, Config, EngineName, load, with_system_voice_only
from wyoming_csm.errors import ConfigError, WyomingCsmError
from wyoming_csm.installer import INSTALLER

_LOGGER = logging.getLogger(__name__)

DEFAULT_CONFIG = Path("config/config.yaml")
COMMANDS = ("serve", "say", "text", "voices", "verify")


def main(words: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code: 0, 2 for what the user can correct, or `verify`'s."""
    arguments = parse_words(sys.argv[1:] if words is None else list(words))
    if arguments.light or arguments.command != "serve":
        os.environ.pop(INSTALLER, None)  # nothing is installed meanwhile
    notes: list[str] = []  # on the configuration, which also says how to log them
    try:
        config = configure(arguments, notes.append)
        _set_up_logging(config)
        for note in notes:
            _LOGGER.warning("%s", note)
        if arguments.command == "say":
            from wyoming_csm.say import say

            return asyncio.run(say(config, arguments.words, arguments.output))
        if arguments.command == "text":
            from wyoming_csm.text_command import print_words

            lines = [" ".join(arguments.words)] if arguments.words else sys.stdin
            print_words(
                lines,
                config,
                language=None if arguments.voice else arguments.language,
                engine=arguments.engine,
                ssml=arguments.ssml,
                explain=arguments.explain,
            )
            return 0
        if arguments.command == "voices":
            from wyoming_csm.voices_command import run

            return run(config, arguments)
        if arguments.command == "verify":
            from wyoming_csm.verify import require_packages

            require_packages()
            from wyoming_csm.verify.command import verify

            return verify(config, arguments.words, arguments.frames)
        from wyoming_csm.serve import serve

        asyncio.run(serve(config, os.environ.get(INSTALLER)))
    except WyomingCsmError as error:
        print(f"wyoming-csm: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def parse_words(words: list[str]) -> argparse.Namespace:
    """Parse the command line; without a command it is `serve`. Exits on a wrong word."""
    common = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    add = common.add_argument  # `dest` is the setting that a word sets
    add("--config", type=Path, metavar="FILE", help=f"YAML or JSON ({DEFAULT_CONFIG} if it exists)")
    add("--voice", help="default voice")
    add("--light", action="store_true", help="only the system voice, whatever else is installed")
    add("--data-dir", metavar="DIR", help="for what the server stores")
    add("--download-dir", metavar="DIR", help="for downloaded models")
    add("--debug", dest="log.level", action="store_const", const="DEBUG", help="log everything")
    add("--log-format", dest="log.format", metavar="FORMAT", help="as Python's logging takes it")
    parser = argparse.ArgumentParser(
        prog="wyoming-csm",
        usage="%(prog)s [-h] [--version] [serve|say|text|voices|verify] [words]",
        description="Text to speech over the Wyoming protocol with CSM-1B.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(
        dest="command", metavar="serve|say|text|voices|verify", prog=parser.prog
    )
    add_command = partial(commands.add_parser, parents=[common], allow_abbrev=False)
    serve = add_command("serve", help="serve Wyoming (the default)")
    add = serve.add_argument
    add("--uri", help="where to listen: tcp://ADDRESS:PORT or unix:///PATH")
    add(
        "--http", dest="http.address", metavar="HOST:PORT",
        help="serve the page and OpenAI's API as well, as on 0.0.0.0:8002",
    )  # fmt: skip
    add(
        "--zeroconf", dest="discovery.name", nargs="?", const="", metavar="NAME",
        help="announce, under this name",
    )  # fmt: skip
    add(
        "--no-zeroconf", dest="discovery.enabled", action="store_const", const=False,
        help="do not announce",
    )  # fmt: skip
    say = add_command("say", help="speak a text into a file")
    say.add_argument("words", nargs="*", help="the text; without one, standard input")
    say.add_argument(
        "-o", "--output", default="-", metavar="FILE", help="WAV file; -: standard output"
    )
    text = add_command("text", help="show how a text would be read aloud")
    text.add_argument(
        "words", nargs="*", help="the text; without one, standard input, line by line"
    )
    text.add_argument("--language", help="for the voice of a language: en, en-GB, de")
    text.add_argument("--engine", choices=get_args(EngineName), help="for a voice of this engine")
    text.add_argument("--ssml", action="store_true", help="each line is SSML")
    text.add_argument("--explain", action="store_true", help="name the rule of each change")
    of_voices = _add_voices(commands, common)
    check = add_command("verify", help="compare CSM's codes and sound with transformers'")
    check.add_argument("--frames", type=_count, metavar="N", help="of 80 ms, to be compared")
    check.add_argument("--text", dest="words", metavar="TEXT", help="what is spoken")
    check.add_argument("--device", dest="csm.device", help="instead of csm.device: cpu, cuda:1")
    check.add_argument(
        "--dtype", dest="csm.dtype", help="instead of csm.dtype and csm.depth_dtype: float32, int8"
    )
    each = "\n\n".join(command.format_help() for command in (serve, say, text, *of_voices, check))
    parser.epilog = f"With --light ./run.sh installs no more engines. The words of each:\n\n{each}"
    light = [word for word in words[:1] if word == "--light"]  # the only one before a command
    words = words[len(light) :]
    if not words or (words[0] not in COMMANDS and words[0] not in ("-h", "--help", "--version")):
        words = ["serve", *words]
    command = 2 if words[0] == "voices" else 1  # so many words
    found, unknown = parser.parse_known_args([*words[:command], *light, *words[command:]])
    if unknown:
        told = each if words[0] == "voices" else commands.choices[words[0]].format_help()
        known = [*COMMANDS, *re.findall(r"--[a-z-]+", told)]
        near = difflib.get_close_matches(unknown[0].partition("=")[0], known, n=1)
        cure = f"did you mean {near[0]}?" if near else "--help names all"
        parser.error(f"unknown word {unknown[0]!r}; {cure}")
    return found


def _add_voices(commands: Any, common: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """Add `voices` with its actions; return their parsers."""
    voices = commands.add_parser(
        "voices", help="list, add, remove, reroll, preview or fetch voices"
    )
    actions = voices.add_subparsers(
        dest="action", required=True, metavar="list|add|remove|reroll|preview|fetch"
    )
    new = partial(actions.add_parser, parents=[common], allow_abbrev=False)
    each = new("list", help="the recorded voices and presets, and what is wrong with them")
    add = new("add", help="make a voice of a recording")
    add.add_argument("name", help="as Home Assistant will show it")
    add.add_argument("clip", type=Path, help="10 to 30 seconds of one person: WAV, FLAC, OGG, MP3")
    words = add.add_mutually_exclusive_group()
    words.add_argument("--text", help="exactly the words in it; else those in a .txt beside it")
    words.add_argument(
        "--asr", metavar="tcp://HOST:10300", help="a Wyoming speech-to-text server that tells them"
    )
    add.add_argument("--language", dest="spoken_language", help="of the clip: en, de-CH")
    add.add_argument("--replace", action="store_true", help="a voice of that name goes")
    remove = new("remove", help="take a recorded voice away")
    remove.add_argument("name")
    reroll = new("reroll", help="let a speaker without a clip get another voice")
    reroll.add_argument("name", help="speaker_0 to speaker_3")
    preview = new("preview", help="speak a sentence in a voice into a file")
    preview.add_argument("name")
    preview.add_argument("-o", "--output", metavar="FILE", help="WAV file; else NAME.wav")
    further = new("fetch", help="download further small English voices, 8 MB each")
    further.add_argument(
        "names", nargs="*", metavar="NAME", help="emma, fable (British), fenrir, kore; else all"
    )
    return [each, add, remove, reroll, preview, further]


def _count(word: str) -> int:
    if not word.isdecimal() or not 1 <= int(word) <= 1000:
        raise argparse.ArgumentTypeError("must be a number from 1 to 1000")
    return int(word)


def configure(
    arguments: argparse.Namespace, warn: Callable[[str], None] = _LOGGER.warning
) -> Config:
    """Read the settings of the file and, over them, of the command line. Raises ConfigError."""
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
    path = arguments.config or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None)
    config = load(path, warn, words)
    if arguments.command != "serve" and config.log.level == "INFO":
        # a person waits for a sound, not for a log
        config = replace(config, log=replace(config.log, level="WARNING"))
    return with_system_voice_only(config, arguments.voice) if arguments.light else config


def _set_up_logging(config: Config) -> None:
    """Start logging. Raises ConfigError for a wrong format, which only a record shows."""
    record = logging.LogRecord(__name__, logging.INFO, __file__, 1, "", (), None)
    try:
        logging.Formatter(config.log.format).format(record)
        logging.basicConfig(level=config.log.level, format=config.log.format, stream=sys.stderr)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"log.format: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
