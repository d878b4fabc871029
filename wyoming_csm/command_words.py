"""The words of the command line as data, from which they are parsed, explained and completed."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from wyoming_csm.config import EngineName

DEFAULT_CONFIG = Path("config/config.yaml")
SHELLS = ("bash", "zsh", "fish")
MOST_STREAMS = 64  # that `bench` opens at once
FETCHABLE = ("csm", "coqui", "voices")
FURTHER = ("emma", "fable", "fenrir", "kore")  # voices to fetch


@dataclass(frozen=True)
class Word:
    """A word or option: its names, its meaning, and what else argparse takes of it."""

    names: tuple[str, ...]
    help: str
    more: Mapping[str, Any]
    either: bool = False  # at most one of these may be given
    offered: tuple[str, ...] = ()  # values to complete, refused by the command itself if wrong

    @property
    def is_option(self) -> bool:
        """Return False for a word that stands for itself."""
        return self.names[0].startswith("-")

    @property
    def takes_value(self) -> bool:
        """Return whether a value follows the option."""
        return self.is_option and "action" not in self.more

    @property
    def choices(self) -> tuple[str, ...]:
        """Return the values that it may have, if they are few."""
        return tuple(self.more.get("choices") or self.offered)

    @property
    def names_file(self) -> bool:
        """Return whether its value is a file or folder."""
        return self.more.get("metavar") in ("FILE", "DIR") or self.more.get("type") is Path


@dataclass(frozen=True)
class Command:
    """A command with its words, or with actions that have them, and examples."""

    name: str
    help: str
    words: tuple[Word, ...] = ()
    examples: tuple[str, ...] = ()
    actions: tuple["Command", ...] = ()
    configured: bool = True  # it goes by the settings, so that SETTINGS are offered


def _word(
    *names: str, help: str, either: bool = False, offered: tuple[str, ...] = (), **more: Any
) -> Word:
    return Word(names, help, more, either, offered)


def _flag(*names: str, help: str, **more: Any) -> Word:
    return Word(names, help, {"action": "store_true", **more})


def count(most: int) -> Any:
    """Return what argparse reads a number from 1 to `most` with."""

    def read(word: str) -> int:
        if not word.isdecimal() or not 1 <= int(word) <= most:
            raise argparse.ArgumentTypeError(f"must be a number from 1 to {most}")
        return int(word)

    return read


# For every command; `dest` is the setting that a word sets.
SETTINGS = (
    _word(
        "--config", type=Path, metavar="FILE", help=f"YAML or JSON ({DEFAULT_CONFIG} if it exists)"
    ),
    _word("--voice", metavar="NAME", help="default voice"),
    _flag("--light", help="only the system voice, whatever is installed"),
    _word("--data-dir", metavar="DIR", help="for what the server stores"),
    _word("--download-dir", metavar="DIR", help="for downloaded models"),
    _word("--debug", dest="log.level", action="store_const", const="DEBUG", help="log everything"),
    _word("--log-format", dest="log.format", metavar="FORMAT", help="as Python's logging takes it"),
)

_URI = _word("--uri", metavar="URI", help="where to listen: tcp://ADDRESS:PORT, unix:///PATH")
_HTTP = _word(
    *("--http",), dest="http.address", metavar="HOST:PORT",
    help="serve the page and OpenAI's API as well",
)  # fmt: skip
_ZEROCONF = (
    _word(
        *("--zeroconf",), dest="discovery.name", nargs="?", const="", metavar="NAME",
        help="announce, under this name",
    ),
    _word(
        *("--no-zeroconf",), dest="discovery.enabled", action="store_const", const=False,
        help="do not announce",
    ),
)  # fmt: skip
_SERVE = Command(
    "serve",
    "serve Wyoming (the default)",
    (_URI, _HTTP, *_ZEROCONF),
    ("./run.sh --voice anna", "./run.sh --light --uri tcp://127.0.0.1:10250 --debug"),
)
_SAY = Command(
    "say",
    "speak a text into a file",
    (
        _word("words", nargs="*", help="the text; without one, standard input"),
        _word(
            *("-o", "--output"), default="-", metavar="FILE", help="WAV file; -: standard output"
        ),
    ),
    ('wyoming-csm say "The door is open." -o door.wav', "date | wyoming-csm say | aplay"),
)
_TEXT = Command(
    "text",
    "show how a text would be read aloud",
    (
        _word("words", nargs="*", help="the text; without one, standard input, by line"),
        _word("--language", metavar="TAG", help="for a language's voice: en, en-GB, de"),
        _word("--engine", choices=get_args(EngineName), help="for one of this engine's"),
        _flag("--ssml", help="each line is SSML"),
        _flag("--explain", help="name the rule of each change"),
    ),
    ('wyoming-csm text "21.5°C at 10:30" --explain', "wyoming-csm text --language de < notes"),
)
_VOICES = Command(
    "voices",
    "list, add, remove, reroll, preview or fetch voices",
    examples=(
        'wyoming-csm voices add anna clip.wav --text "Exactly the words in it."',
        "wyoming-csm voices preview anna",
    ),
    actions=(
        Command(
            "list",
            "the recorded voices and presets, and what is wrong with them",
            examples=("wyoming-csm voices list",),
        ),
        Command(
            "add",
            "make a voice of a recording",
            (
                _word("name", help="as Home Assistant will show it"),
                _word("clip", type=Path, help="10 to 30 s of one person: WAV, FLAC, OGG, MP3"),
                _word(
                    *("--text",), either=True, metavar="WORDS",
                    help="exactly those in it; else those of a .txt beside it",
                ),
                _word(
                    *("--asr",), either=True, metavar="tcp://HOST:10300",
                    help="a Wyoming speech-to-text server that tells them",
                ),
                _word(
                    *("--language",), dest="spoken_language", metavar="TAG",
                    help="of the clip: en, de-CH",
                ),
                _flag("--replace", help="a voice of that name goes"),
            ),
            ('wyoming-csm voices add anna clip.wav --text "Exactly the words in it."',),
        ),
        Command(
            "remove",
            "take a recorded voice away",
            (_word("name", help="as `voices list` shows it"),),
            ("wyoming-csm voices remove anna",),
        ),
        Command(
            "reroll",
            "let a speaker without a clip get another voice",
            (_word("name", help="speaker_0 to speaker_3"),),
            ("wyoming-csm voices reroll speaker_0",),
        ),
        Command(
            "preview",
            "speak a sentence in a voice into a file",
            (
                _word("name", help="as Home Assistant lists it"),
                _word("-o", "--output", metavar="FILE", help="WAV file; else NAME.wav"),
            ),
            ("wyoming-csm voices preview anna -o anna.wav",),
        ),
        Command(
            "fetch",
            "download further small English voices, 8 MB each",
            (
                _word(
                    *("names",), nargs="*", metavar="NAME", offered=FURTHER,
                    help="emma, fable (British), fenrir, kore; else all",
                ),
            ),
            ("wyoming-csm voices fetch emma",),
        ),
    ),
)  # fmt: skip
_DOCTOR = Command(
    "doctor",
    "check this machine: what is found, and what helps",
    (
        *(_URI, _HTTP, *_ZEROCONF),
        _flag("--quick", help="without speaking a sentence by each engine"),
        _flag("--verify", dest="verifies", help="compare CSM with transformers' as well"),
        _word("--asr", metavar="tcp://HOST:10300", help="look at this speech-to-text server, too"),
        _flag("--json", dest="as_json", help="one JSON document for programs"),
    ),
    ("wyoming-csm doctor --http 0.0.0.0:8002", "wyoming-csm doctor --quick --json"),
)
_BENCH = Command(
    "bench",
    "time Wyoming servers and OpenAI's API side by side",
    (
        _word("uris", nargs="+", metavar="URI", help="tcp://HOST:PORT, http://HOST:PORT/v1"),
        _word("--text", dest="sentence", metavar="TEXT", help="what is spoken"),
        _word("--rounds", type=count(100), default=5, metavar="N", help="of each in turns (5)"),
        _word(
            *("--streams",), type=count(MOST_STREAMS), default=4, metavar="N",
            help=f"try so many at once, {MOST_STREAMS} at most (4)",
        ),
        _word("--timeout", type=count(600), default=60, metavar="S", help="for a reply (60)"),
        _word("--model", default="tts-1", metavar="NAME", help="for OpenAI's API (tts-1)"),
        _word("--plot", type=Path, metavar="FILE", help="a PNG of it; needs matplotlib"),
    ),
    (
        "wyoming-csm bench tcp://127.0.0.1:10200 tcp://piper.local:10200 --streams 8",
        "OPENAI_API_KEY=... wyoming-csm bench https://api.openai.com/v1 --voice nova",
    ),
)  # fmt: skip
_COMPARE = Command(
    "compare",
    "show where servers differ that should be replicas",
    (
        _word("uri", metavar="URI", help="tcp://HOST:PORT of one"),
        _word("others", nargs="+", metavar="URI", help="of each other one, at least one more"),
        _flag("--json", dest="as_json", help="one JSON document for programs"),
    ),
    ("wyoming-csm compare tcp://gpu1:10200 tcp://gpu2:10200 tcp://gpu3:10200",),
    configured=False,
)
_DOWNLOAD = Command(
    "download",
    "fetch models ahead of time; goes on where it was cut off",
    (
        _word(
            *("models",), nargs="*", metavar="MODEL", offered=FETCHABLE,
            help="csm, coqui, voices; else what can speak here",
        ),
    ),
    ("HF_TOKEN=hf_... wyoming-csm download csm", "wyoming-csm download --download-dir /mnt/m"),
)  # fmt: skip
_VERIFY = Command(
    "verify",
    "compare CSM's codes and sound with transformers'",
    (
        _word("--frames", type=count(1000), metavar="N", help="of 80 ms, to be compared"),
        _word("--text", dest="words", metavar="TEXT", help="what is spoken"),
        _word(
            *("--device",), dest="csm.device", metavar="DEVICE",
            help="instead of csm.device: cpu, cuda:1",
        ),
        _word(
            *("--dtype",), dest="csm.dtype", metavar="TYPE",
            help="instead of csm.dtype, csm.depth_dtype: int8",
        ),
    ),
    ("wyoming-csm verify --device cpu --frames 2",),
)  # fmt: skip
_COMPLETION = Command(
    "completion",
    "print what completes these words in a shell",
    (_word("shell", choices=SHELLS, help=", ".join(SHELLS)),),
    (
        "source <(wyoming-csm completion bash)     # in ~/.bashrc; zsh: in ~/.zshrc",
        "wyoming-csm completion fish >~/.config/fish/completions/wyoming-csm.fish",
    ),
    configured=False,
)

COMMANDS = (
    *(_SERVE, _SAY, _TEXT, _VOICES, _DOCTOR, _BENCH, _COMPARE, _DOWNLOAD, _VERIFY, _COMPLETION),
)  # fmt: skip
EXAMPLES = ("./run.sh --voice anna", './run.sh say "Hello" -o hello.wav')
