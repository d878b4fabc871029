"""A child process that was told to be Coqui, and what it is asked and answers."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from wyoming_csm.config import CoquiConfig
from wyoming_csm.voices import Voice
from wyoming_csm.worker.protocol import (
    PREFIX_BYTES,
    Audio,
    Configure,
    Done,
    Failed,
    FromChild,
    Ready,
    Say,
    Unavailable,
    body_length,
    decode_from_child,
    encode,
)

VOICE = Voice(name="coqui_en", language="en", description="", engine="coqui")


class CoquiChild:
    """Started and loaded; close it."""

    def __init__(self, folder: Path, settings: CoquiConfig, **environment: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "wyoming_csm.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **environment},
        )
        builtins = msgspec.to_builtins(settings)
        self._send(
            Configure("coqui", builtins, str(folder), str(folder / "models"), voices=(VOICE,))
        )
        self.started = self._until(Ready, Unavailable)

    def _send(self, message: Configure | Say) -> None:
        assert self.process.stdin
        self.process.stdin.write(encode(message))
        self.process.stdin.flush()

    def _until(self, *kinds: type[FromChild]) -> FromChild:
        while not isinstance(message := self._receive(), kinds):
            pass
        return message

    def _receive(self) -> FromChild:
        assert self.process.stdout
        prefix = self.process.stdout.read(PREFIX_BYTES)
        return decode_from_child(self.process.stdout.read(body_length(prefix)))

    def say(self, text: str, voice: Voice, rate: float = 1.0) -> bytes:
        self._send(Say(1, 1, "", text, voice, rate))
        sound = b""
        while not isinstance(message := self._receive(), Done):
            assert not isinstance(message, Failed), message.reason
            if isinstance(message, Audio):
                sound += message.pcm
        return sound

    def close(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        assert self.process.wait(60) == 0
        self.process.stdout.close()
