"""Judges the recording in a voice's folder in a process of its own, which takes along what decoding
it took, and may crash.

`python -m wyoming_csm.worker.judge FOLDER LUFS` (LUFS: a number, or null) writes a `Judgement`, or
a `Refusal`, in msgpack.
"""

import os
import signal
import sys
from pathlib import Path

import msgspec

from wyoming_csm.errors import VoiceError
from wyoming_csm.voice_state import Judgement, judge_folder

LIMIT_SECONDS = 60  # of decoding a minute of sound at most: then the process ends itself


class Refusal(msgspec.Struct, frozen=True, tag=True):
    """Why no voice can be made of a folder, in words for its owner."""

    reason: str


def main() -> None:
    """Write the one or the other."""
    signal.alarm(LIMIT_SECONDS)
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print
    folder, loudness = sys.argv[1:]
    found: Judgement | Refusal
    try:
        found = judge_folder(Path(folder), msgspec.json.decode(loudness, type=float | None))
    except VoiceError as error:
        found = Refusal(str(error))
    with sink:
        sink.write(msgspec.msgpack.encode(found))


if __name__ == "__main__":
    main()
