"""Recordings that are sent are judged in processes of their own: what decoding them takes, up to
hundreds of megabytes, goes back with these."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from threading import Lock
from typing import TypeVar

import msgspec

from wyoming_csm.errors import RequestError, VoiceError
from wyoming_csm.server.http.problems import Refused
from wyoming_csm.voice_files import Judge
from wyoming_csm.voice_state import Judgement
from wyoming_csm.worker.judge import LIMIT_SECONDS, Refusal

AT_ONCE = 2  # recordings; more wait
_SECRETS = ("HF_TOKEN", "HF_TOKEN_PATH")  # nothing of the hub is its business
_PROGRAM = (sys.executable, "-m", "wyoming_csm.worker.judge")

T = TypeVar("T")


class Judging:
    """Does what needs a recording judged, some at a time, each in a thread."""

    def __init__(self, program: Sequence[str] = _PROGRAM) -> None:
        """Take the program that judges, as `worker.judge` does."""
        self._threads = ThreadPoolExecutor(AT_ONCE, "judging")
        self._program = program

    async def run(self, work: Callable[[Judge], T]) -> T:
        """Do `work`, which is handed what judges a folder: once, in a process of its own.

        If this is cancelled, that process is ended, and the work with it, before this ends. Raises
        what `work` raises; what judges raises Refused, RequestError, VoiceError.
        """
        process = _Process(self._program)
        job = self._threads.submit(work, process.judge)
        working = asyncio.wrap_future(job)
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            process.end()
            working.add_done_callback(lambda done: done.cancelled() or done.exception())
            if not job.cancel():
                await asyncio.wait([working])  # it tidies up after itself
            raise

    def close(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Process:
    """The process that judges one folder: started by one thread, ended by any."""

    def __init__(self, program: Sequence[str]) -> None:
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = False
        self._starting = Lock()

    def judge(self, folder: Path, loudness: float | None) -> Judgement:
        """See `Judge`. Raises Refused, RequestError, VoiceError."""
        with self._start(folder, loudness) as process:
            answer, _ = process.communicate()
        try:
            found = msgspec.msgpack.decode(answer, type=Judgement | Refusal)
        except msgspec.DecodeError as error:
            raise VoiceError(_why(process.returncode)) from error
        if isinstance(found, Refusal):
            raise VoiceError(found.reason)
        return found

    def end(self) -> None:
        """End it if it runs; else it never will."""
        with self._starting:
            self._ended = True
            if self._process is not None:
                self._process.kill()

    def _start(self, folder: Path, loudness: float | None) -> subprocess.Popen[bytes]:
        """Start it, in a session of its own, so that a terminal's Ctrl-C does not reach it."""
        level = msgspec.json.encode(loudness).decode()
        with self._starting:
            if self._ended:
                raise RequestError("the client left")
            try:
                self._process = subprocess.Popen(
                    [*self._program, str(folder), level],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    env={name: v for name, v in os.environ.items() if name not in _SECRETS},
                    start_new_session=True,
                )
            except OSError as error:
                why = error.strerror or error
                told = f"no process can be started to read the recording: {why}"
                raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, told) from error
            return self._process


def _why(code: int) -> str:
    """Say how the process ended that should have judged a recording, and what helps."""
    if code == -signal.SIGALRM:
        return f"reading the recording took longer than {LIMIT_SECONDS} s: convert it to WAV"
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"reading the recording failed ({how}): convert it to WAV, 10 to 30 s of speech"
