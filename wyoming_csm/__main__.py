"""The command line: its words over the settings of a file, then `serve`, `say` or `verify`."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from wyoming_csm import __version__
from wyoming_csm.config import Config, CsmConfig, load, parse, with_system_voice_only
from wyoming_csm.engines.packages import INSTALLER
from wyoming_csm.errors import WyomingCsmError

_LOGGER = logging.getLogger(__name__)

DEFAULT_CONFIG = Path("config/config.yaml")
COMMANDS = ("serve", "say", "verify")


def main(words: Sequence[str] | None = None) -> int:
    """Run a command; the process's exit code: 0, 2 for what the user can correct, or `verify`'s."""
    arguments = _parse_words(sys.argv[1:] if words is None else list(words))
    installer = os.environ.get(INSTALLER)
    if arguments.light:
        installer = None
        os.environ.pop(INSTALLER, None)
    try:
        config = _configure(arguments)
        _set_up_logging(config)
        if arguments.command == "say":
            from wyoming_csm.say import say

            return asyncio.run(say(config, arguments.text, arguments.output))
        if arguments.command == "verify":
            from wyoming_csm.verify import require_packages

            require_packages()
            from wyoming_csm.verify.command import verify

            return verify(config, arguments.text, arguments.frames)
        from wyoming_csm.serve import serve

        asyncio.run(serve(config, installer))
    except WyomingCsmError as error:
        print(f"wyoming-csm: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _parse_words(words: list[str]) -> argparse.Namespace:
    common = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    add = common.add_argument
    add("--config", type=Path, metavar="FILE", help=f"YAML or JSON ({DEFAULT_CONFIG} if it exists)")
    add("--uri", help="where to listen: tcp://ADDRESS:PORT or unix:///PATH")
    add("--voice", help="default voice")
    add("--light", action="store_true", help="only the system voice, whatever else is installed")
    add("--zeroconf", nargs="?", const="", metavar="NAME", help="announce, under this name")
    add("--no-zeroconf", action="store_true", help="do not announce")
    add("--data-dir", metavar="DIR", help="for what the server keeps")
    add("--download-dir", metavar="DIR", help="for downloaded models")
    add("--debug", action="store_true", help="log everything")
    add("--log-format", metavar="FORMAT", help="as Python's logging takes it")
    parser = argparse.ArgumentParser(
        prog="wyoming-csm",
        usage="%(prog)s [-h] [--version] [serve|say|verify] [words]",
        description="Text to speech over the Wyoming protocol with CSM-1B.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", metavar="serve|say|verify", prog=parser.prog)
    serve = commands.add_parser("serve", parents=[common], help="serve Wyoming (the default)")
    say = commands.add_parser("say", parents=[common], help="speak a text into a file")
    say.add_argument("text", nargs="*", help="the text; without one, standard input")
    say.add_argument(
        "-o", "--output", default="-", metavar="FILE", help="WAV file; -: standard output"
    )
    check = commands.add_parser(
        "verify", parents=[common], help="compare CSM's codes and sound with transformers'"
    )
    check.add_argument("--frames", type=_count, metavar="N", help="of 80 ms, to be compared")
    check.add_argument("--text", help="what is spoken")
    check.add_argument("--device", help="in place of csm.device: cpu, cuda:1")
    check.add_argument("--dtype", help="in place of csm.dtype and csm.depth_dtype: float32, int8")
    for command in (serve, say, check):
        command.allow_abbrev = False
    each = "\n\n".join(command.format_help() for command in (serve, say, check))
    parser.epilog = f"With --light ./run.sh installs no more engines. The words of each:\n\n{each}"
    light = [word for word in words[:1] if word == "--light"]  # the only one before a command
    words = words[len(light) :]
    if not words or (words[0] not in COMMANDS and words[0] not in ("-h", "--help", "--version")):
        words = ["serve", *words]
    return parser.parse_args([words[0], *light, *words[1:]])


def _count(word: str) -> int:
    if not word.isdecimal() or not 1 <= int(word) <= 1000:
        raise argparse.ArgumentTypeError("must be a number from 1 to 1000")
    return int(word)


def _configure(arguments: argparse.Namespace) -> Config:
    """The file's settings with the command line's over them. Raises ConfigError."""
    path = arguments.config or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None)
    config = load(path)
    words: dict[str, Any] = {
        name: value
        for name in ("uri", "voice", "data_dir", "download_dir")
        if (value := getattr(arguments, name)) is not None
    }
    if "uri" in words:
        parse({"uri": words["uri"]})
    if arguments.command == "verify":
        words["csm"] = _as_verified(config.csm, arguments.device, arguments.dtype)
    log, discovery = config.log, config.discovery
    if arguments.command != "serve" and log.level == "INFO":
        log = replace(log, level="WARNING")  # a person waits for a sound, not for a log
    if arguments.debug:
        log = replace(log, level="DEBUG")
    if arguments.log_format:
        log = replace(log, format=arguments.log_format)
    if arguments.zeroconf is not None:
        discovery = replace(discovery, enabled=True, name=arguments.zeroconf or discovery.name)
    if arguments.no_zeroconf:
        discovery = replace(discovery, enabled=False)
    config = replace(config, log=log, discovery=discovery, **words)
    return with_system_voice_only(config) if arguments.light else config


def _as_verified(csm: CsmConfig, device: str | None, dtype: str | None) -> CsmConfig:
    """Raises ConfigError."""
    chosen = {"device": device, "dtype": dtype}
    words = parse({"csm": {key: word for key, word in chosen.items() if word is not None}}).csm
    if device is not None:
        csm = replace(csm, device=words.device)
    return csm if dtype is None else replace(csm, dtype=words.dtype, depth_dtype=None)


def _set_up_logging(config: Config) -> None:
    """Raises ConfigError; that a field does not exist shows only at a record."""
    record = logging.LogRecord(__name__, logging.INFO, __file__, 1, "", (), None)
    try:
        logging.Formatter(config.log.format).format(record)
        logging.basicConfig(level=config.log.level, format=config.log.format, stream=sys.stderr)
    except (ValueError, TypeError) as error:
        from wyoming_csm.errors import ConfigError

        raise ConfigError(f"log.format: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
