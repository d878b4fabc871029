"""Trees of voices from outside: names that no screen shows, links, pipes, one thing for another."""

import io
import json
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from random import Random

import msgspec
import numpy as np
import soundfile

from tests.fakes import FakeEngine
from tests.fuzz.targets import Plain, Target, in_loop
from wyoming_csm.config import Config
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.lexicons import Lexicons
from wyoming_csm.server.info import make_info
from wyoming_csm.server.wire import encode as event_bytes
from wyoming_csm.voice_book import VoiceBook
from wyoming_csm.worker.protocol import Learn, encode, read_to_child

_ENTRIES = 40  # of a tree; what is behind them is left out
_FOLDER, _LINK, _PIPE, _SOUND, _FILE = b"d", b"l", b"p", b"w", b"f"
_NAMES = (
    *(b"ann", b"\xc3\xa4nn", b"a\xcc\x88nn", b"ANN", b"a b", b"\xff\xfe", b"caf\xe9", b"a\nb"),
    *(b"\x1b[2J", b"\x7f", b"\xe2\x80\xae", b"\xed\xa0\xbd", b"x" * 255, b"\xc3\xa4" * 127, b"%s"),
    *(b".", b".changing-a", b"@eadir", b"~", b" ", b"-", b"a.wav", b"lexicon.yaml", b"CON"),
)
_INSIDE = (
    *(b"clip.wav", b"clip.txt", b"lexicon.yaml", b"voice.yaml", b"voice.json", b"clip.m4a"),
    *(b"\xff.wav", b"\xff.txt", b"a\nb.wav", b"a\nb.txt", b"\x1b[2J.wav", b"clip2.wav"),
)
_CONTENTS = (
    *(b"Hello.", b"a: b", b"description: Ann", b'{"description": "\\ud83d"}', b'{"a": "\\ud83d"}'),
    *(b"\xff\xfe", b"", b"[]", b"language: de", b"ann", b"nowhere", b"..", b"../ann", b"clip.wav"),
)


def _voice(folder: bytes, stem: bytes = b"clip") -> bytes:
    """The entries of a good voice with a lexicon, whatever it is called."""
    return b"\0".join(
        (
            _SOUND + folder + b"/" + stem + b".wav",
            _FILE + folder + b"/" + stem + b".txt=Hello.",
            _FILE + folder + b"/lexicon.yaml=a: b",
        )
    )


SEEDS = (
    b"\0".join(_voice(name) for name in (b"ann", b"\xc3\xa4nn", b"a\xcc\x88nn")),
    *(_voice(name) for name in (b"\xff\xfe", b"a\nb", b"\x1b[2J", b"x" * 255, b"\xed\xa0\xbd")),
    *(_voice(b"ann", stem) for stem in (b"\xff", b"a\nb", b"\x1b[2J")),
    b"dann/clip.wav\0dann/clip.txt\0dann/lexicon.yaml\0fbob=no folder\0dlexicon.yaml\0f\xff.wav=",
    b"lann=ann\0lbob=nowhere\0lcat=..\0ldog=.\0ddan\0ldan/lexicon.yaml=..\0ldan/clip.wav=clip.wav"
    b"\0ldan/clip.txt=../bob",
    b"pann/clip.wav\0pann/clip.txt\0pann/lexicon.yaml\0pbob\0pann/voice.yaml",
)


def any_tree(random: Random) -> bytes:
    """Return a tree of some voices, with anything else in them and beside them."""
    names = random.choices(_NAMES, k=random.randint(1, 4))
    entries = [_voice(name) for name in names if random.random() < 0.6]
    for _ in range(random.randint(0, 9)):
        kind = random.choice((_FOLDER, _LINK, _LINK, _PIPE, _SOUND, _FILE, _FILE, _FILE))
        path = random.choice(names)
        for name in random.choices((*_INSIDE, *_NAMES), k=random.choice((0, 1, 1, 1, 2))):
            path += b"/" + name
        entries.append(kind + path + b"=" + random.choice(_CONTENTS))
    random.shuffle(entries)
    return b"\0".join(entries)


def make_tree(root: bytes, data: bytes, sound: bytes) -> None:
    """Make entries with \\0 between them: each a kind, a path, behind `=` what is in it or where
    a link leads. Nothing is made, and no link leads, beyond the folder that `root` is in."""
    entries = [entry for entry in data.split(b"\0")[:_ENTRIES] if entry]
    entries.sort(key=lambda entry: entry[:1] == _LINK)  # last: nothing is written through one
    for entry in entries:
        kind, (path, _, content) = entry[:1], entry[1:].partition(b"=")
        names = [name[:255] for name in path.split(b"/")[:3] if name.strip(b".")]
        if not names:
            continue
        target = os.path.join(root, *names)
        with suppress(OSError):  # what is there has this name already, or is no folder
            os.makedirs(os.path.dirname(target), exist_ok=True)
            if kind == _FOLDER:
                os.mkdir(target)
            elif kind == _PIPE:
                os.mkfifo(target)
            elif kind == _LINK:
                if os.path.realpath(os.path.dirname(target)).startswith(os.path.realpath(root)):
                    os.symlink(_leads(content), target)
            else:
                with open(target, "xb") as file:
                    file.write(sound if kind == _SOUND else content)


def _leads(content: bytes) -> bytes:
    """Return where a link leads: one folder up at most."""
    up, down = content.startswith(b".."), [part for part in content.split(b"/") if part.strip(b".")]
    return b"/".join([b".."] * up + down[:3])[:1_000] or b"."


class _Lines(logging.Handler):
    """Holds what was logged, in place of a log that would have thousands of lines of it."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def tree() -> Iterator[Plain]:
    """A folder of voices is looked at, twice, for voices and words; what there is can be sent to
    a process, listed for clients and logged in lines."""
    recording = io.BytesIO()
    soundfile.write(recording, 0.3 * np.sin(np.arange(9_000) / 9), 8_000, format="wav")
    log, logger = _Lines(), logging.getLogger("wyoming_csm")
    logger.addHandler(log)

    def read(data: bytes) -> None:
        log.lines.clear()
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name, "voices")
            folder.mkdir()
            make_tree(os.fsencode(folder), data, recording.getvalue())
            config = Config(voices=str(folder), lexicon=str(folder / "lexicon.yaml"))
            book, lexicons = VoiceBook(folder), Lexicons(config)
            for _ in range(2):
                book.refresh()
                lexicons.refresh()
            learn = Learn(book.voices)
            assert read_to_child(io.BytesIO(encode(learn))) == learn
            engine = Fallback([FakeEngine("csm", voices=book.voices)])
            info = event_bytes(make_info(config, engine, lexicons.content).event())
            assert json.loads(info.splitlines()[0])["type"] == "info"
            msgspec.json.encode(book.voices)  # as over HTTP
            for voice in book.voices:
                lexicons.replacements("a", voice)
        assert all(line.isprintable() for line in log.lines), log.lines

    try:
        yield read
    finally:
        logger.removeHandler(log)


def folder_targets() -> tuple[Target, ...]:
    """Make the one there is."""
    words = (b"\0l", b"\0f", b"\0d", b"\0w", b"\0p", b"/", b"=", b"\xff", b"\n", b"\x1b")
    return (
        Target(
            "tree", partial(in_loop, tree), SEEDS, (), words, any_tree,
            most_bytes=4_096, share=0.02,
        ),
    )  # fmt: skip
