"""Records which functions of the package a Python process enters between two signals.

Python imports a module of this name by itself at its start, from a folder on PYTHONPATH. SIGUSR1
begins the record and SIGUSR2 writes it: what was entered in all threads that began after the
start, as JSON into the folder WYOMING_CSM_TRACE. A file PID there says that the process listens,
PID.begun that it records, PID.json is the record.
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any


class Tracer:
    """One process's record; nothing is recorded before `begin`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._recording = False
        self._entered: set[tuple[str, str, str]] = set()  # file, function, class of self

    def listen(self) -> None:
        """Wait for the signals."""
        signal.signal(signal.SIGUSR1, self.begin)
        signal.signal(signal.SIGUSR2, self.end)
        threading.setprofile(self._profile)
        (self._folder / str(os.getpid())).touch()

    def begin(self, number: int, frame: FrameType | None) -> None:
        """Record from now on, also in the main thread, whose start is not slowed down."""
        self._entered.clear()
        sys.setprofile(self._profile)
        self._recording = True
        (self._folder / f"{os.getpid()}.begun").touch()

    def end(self, number: int, frame: FrameType | None) -> None:
        """Write what was entered."""
        self._recording = False
        sys.setprofile(None)
        whole = self._folder / f"{os.getpid()}.json"
        part = whole.with_suffix(".part")
        part.write_text(json.dumps(sorted(self._entered)), encoding="utf-8")
        part.rename(whole)

    def _profile(self, frame: FrameType, event: str, argument: Any) -> None:
        if not self._recording or event != "call":
            return
        code = frame.f_code
        if "wyoming_csm/" not in code.co_filename:
            return
        own = frame.f_locals.get("self") if code.co_varnames[:1] == ("self",) else None
        kind = type(own)
        is_ours = own is not None and kind.__module__.startswith("wyoming_csm.")
        name = f"{kind.__module__}.{kind.__qualname__}" if is_ours else ""
        self._entered.add((code.co_filename, code.co_qualname, name))


if folder := os.environ.get("WYOMING_CSM_TRACE"):
    Tracer(Path(folder)).listen()
