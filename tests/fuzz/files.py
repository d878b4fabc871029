"""Files from outside that are read from a folder: recordings, voices."""

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random

import numpy as np
import soundfile

from tests.fuzz.mutation import Mutation
from tests.fuzz.targets import Plain, Target, in_loop
from wyoming_csm.config import Config
from wyoming_csm.errors import RequestError, VoiceError
from wyoming_csm.recordings import read_voice
from wyoming_csm.voice_files import judge_clip

_KINDS = ("wav", "flac", "ogg", "mp3", "aiff", "au", "caf", "w64")


def _sounds() -> list[bytes]:
    """The same second in every format: first a byte that names its ending."""
    found = []
    for n, kind in enumerate(_KINDS):
        file = io.BytesIO()
        wave = 0.3 * np.sin(np.arange(12_000) / 9)
        soundfile.write(file, wave, 8_000, format=kind)
        found.append(bytes([n]) + file.getvalue())
    return found


def any_sound(random: Random) -> bytes:
    """Return a recording that was changed a little."""
    return Mutation([sound[1:] for sound in _sounds()[:2]]).make(random)


@contextmanager
def _silence() -> Iterator[None]:
    """Let the decoders' complaints go nowhere: they write some for each input."""
    before, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(nowhere)


@contextmanager
def recording() -> Iterator[Plain]:
    """A recording that somebody uploads is judged."""
    with tempfile.TemporaryDirectory() as folder, _silence():

        def read(data: bytes) -> None:
            clip = Path(folder, f"clip.{_KINDS[(data[0] if data else 0) % len(_KINDS)]}")
            clip.write_bytes(data[1:])
            judge_clip(Config(), clip)

        yield read


@contextmanager
def voice() -> Iterator[Plain]:
    """A folder of a voice: settings, words and a file beside them, `\\0` between the three."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "ann")
        folder.mkdir()
        (folder / "clip.flac").write_bytes(_sounds()[1][1:])

        def read(data: bytes) -> None:
            parts = [*data.split(b"\0", 2), b"", b""]
            for name, content in zip(("voice.yaml", "clip.txt", "a.mp3"), parts, strict=False):
                (folder / name).write_bytes(content)
            read_voice(folder)

        yield read


def file_targets() -> tuple[Target, ...]:
    """Make them."""
    return (
        Target(
            "recording", partial(in_loop, recording), _sounds(), (VoiceError, RequestError),
            (b"RIFF", b"data", b"fmt "),
            most_ms=2_000, share=0.01, native=True,
        ),
        Target(
            "voice", partial(in_loop, voice),
            (b"language: de\nspeaker: 3\0Hello.\0", b"{}\0\xff\xfeH\0i\0\0x"),
            (VoiceError,), (b"description: ", b"\0", b"\r\n", b"\xef\xbb\xbf"), most_bytes=2_000,
            share=0.02,
        ),
    )  # fmt: skip
