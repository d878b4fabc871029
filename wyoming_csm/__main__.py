"""The command: its words are parsed, its settings read, then one of the commands runs."""

import asyncio
import logging
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence

from wyoming_csm.command_line import configure, configure_without_file, file_of, parse_words
from wyoming_csm.config import Config, LogConfig
from wyoming_csm.errors import ConfigError, WyomingCsmError
from wyoming_csm.installer import INSTALLER
from wyoming_csm.logs import start_logging

_LOGGER = logging.getLogger(__name__)

_READER_LEFT = 128 + 13  # as shells write the end by SIGPIPE


def main(words: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code: 0, 2 for what the user can correct, 141 where the reader
    of what is printed has left, as `head` does, or the command's."""
    try:
        try:
            return _run(words)
        finally:
            _flush()  # else the interpreter does at its end, and complains
    except BrokenPipeError:
        _print_into_nothing()
        return _READER_LEFT


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # closed from the beginning
            stream.flush()


def _print_into_nothing() -> None:
    """Let what is still to be printed go where it fails no more."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except BrokenPipeError:
            os.dup2(nothing, stream.fileno())


def _run(words: Sequence[str] | None) -> int:
    arguments = parse_words(sys.argv[1:] if words is None else list(words))
    if arguments.light or arguments.command != "serve":
        os.environ.pop(INSTALLER, None)  # nothing is installed meanwhile
    notes: list[str] = []  # on the configuration, which also says how to log them
    try:
        config = _configured(arguments, notes)
        for note in notes:
            _LOGGER.warning("%s", note)
        return _COMMANDS[arguments.command](config, arguments)
    except WyomingCsmError as error:
        print(f"wyoming-csm: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _configured(arguments: Namespace, notes: list[str]) -> Config:
    """Read the settings and start logging; the doctor goes on where that fails, and tells why."""
    arguments.fault = ""
    try:
        config = configure(arguments, notes.append)
        _set_up_logging(config.log)
    except ConfigError as error:
        if arguments.command != "doctor":
            raise
        arguments.fault, config = str(error), configure_without_file(arguments)
        _set_up_logging(LogConfig(level=config.log.level))
    return config


# Each imports what it needs: none pays for the others.


def _serve(config: Config, _words: Namespace) -> int:
    from wyoming_csm.serve import serve

    asyncio.run(serve(config, os.environ.get(INSTALLER)))
    return 0


def _say(config: Config, words: Namespace) -> int:
    from wyoming_csm.say import say

    return asyncio.run(say(config, words.words, words.output))


def _text(config: Config, words: Namespace) -> int:
    from wyoming_csm.text_command import print_words

    lines = [" ".join(words.words)] if words.words else sys.stdin
    print_words(
        lines,
        config,
        language=None if words.voice else words.language,
        engine=words.engine,
        ssml=words.ssml,
        explain=words.explain,
    )
    return 0


def _voices(config: Config, words: Namespace) -> int:
    from wyoming_csm.voices_command import run

    return run(config, words)


def _doctor(config: Config, words: Namespace) -> int:
    from wyoming_csm.doctor.command import Wishes, doctor
    from wyoming_csm.doctor.finding import wrong_settings

    wishes = Wishes(words.quick, words.verifies, words.asr, words.as_json)
    fault = wrong_settings(words.fault, file_of(words)) if words.fault else None
    return doctor(config, wishes, before=fault)


def _bench(config: Config, words: Namespace) -> int:
    from wyoming_csm.bench.command import Task, bench

    task = Task(
        tuple(words.uris), words.sentence, config.voice, words.rounds, words.streams,
        words.timeout, words.model, words.plot,
    )  # fmt: skip
    return bench(task)


def _compare(_config: Config, words: Namespace) -> int:
    from wyoming_csm.compare import compare

    return compare([words.uri, *words.others], words.as_json)


def _download(config: Config, words: Namespace) -> int:
    from wyoming_csm.download import download

    return download(config, words.models)


def _verify(config: Config, words: Namespace) -> int:
    from wyoming_csm.verify import require_packages

    require_packages()
    from wyoming_csm.verify.command import verify

    return verify(config, words.words, words.frames)


def _completion(_config: Config, words: Namespace) -> int:
    from wyoming_csm.completion import completion

    print(completion(words.shell), end="")
    return 0


_COMMANDS: dict[str, Callable[[Config, Namespace], int]] = {
    "serve": _serve,
    "say": _say,
    "text": _text,
    "voices": _voices,
    "doctor": _doctor,
    "bench": _bench,
    "compare": _compare,
    "download": _download,
    "verify": _verify,
    "completion": _completion,
}


def _set_up_logging(log: LogConfig) -> None:
    """Start logging. Raises ConfigError for a wrong format, which only a record shows."""
    record = logging.LogRecord(__name__, logging.INFO, __file__, 1, "", (), None)
    try:
        logging.Formatter(log.format).format(record)
        start_logging(log.level, log.format)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"log.format: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
