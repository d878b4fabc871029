"""The recorded voices below a folder, found again while the server runs.

The folder may be on a disk that other machines write to: their clocks are not ours, the times of
files may be whole seconds, and a look may come between the two steps in which a voice is replaced.
"""

import logging
import math
import os
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path

from wyoming_csm.errors import VoiceError
from wyoming_csm.recordings import holds_recording, is_recording, read_voice
from wyoming_csm.voices import Voice

_LOGGER = logging.getLogger(__name__)

MAX_VOICES = 200
# Folders that file managers, archives and disks leave behind.
NO_VOICES = ("__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information")
# While a voice is replaced, its old folder is in CHANGING…/BEFORE, below the folder of voices.
CHANGING, BEFORE = ".changing-", "before"
_COARSEST_SECONDS = 2.0  # of the times of files, on some disks: FAT's
_REPLACING_SECONDS = 2.0  # at most, unless the process that does it was ended amid it
_LOOKS = 3  # for a folder that is moved in a moment
_NEW_SECONDS = 3_600.0  # of a file, by our clock; another machine's is no more beside it
_FAULT_SECONDS = 30.0  # then it is read again, as the disk or the system may have been at fault
_Stamp = tuple[tuple[str, int, int, int], ...]  # names, sizes and times of a folder's files


class VoiceBook:
    """The voices in the folders `<name>/{clip.wav, clip.txt, voice.yaml}` below `folder`."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._clock = folder, clock
        self.voices: tuple[Voice, ...] = ()  # as last read, by name
        self._seen: dict[str, _Stamp] | None = None  # None: not looked yet
        self._faults: dict[str, str] = {}  # of folders, which may still be being copied
        self._told: dict[str, str] = {}  # of these, since the folder changed
        self._unsure: dict[str, float] = {}  # until when times may hide a change
        self._missed: dict[str, float] = {}  # since when, while they were being replaced
        self._complaint = ""  # about the whole folder, so that it is logged once

    def refresh(self) -> bool:
        """Look at the folder again; return whether the voices changed.

        Only folders whose files changed are read, new files once more when their times would show
        another change. A voice that is being replaced just now stays, and so does what cannot be
        looked at. A folder that cannot be used is one warning, as soon as its files did not change
        between two looks (at the first look: at once), and a voice with a fault, which is read
        again from time to time.
        """
        folders = self._folders()
        if folders is None:
            return False
        before = {voice.name: voice for voice in self.voices}
        seen: dict[str, _Stamp] = {}
        voices: dict[str, Voice] = {}
        for folder in folders:
            name = _name(folder)
            looked = None if name in seen else self._look(folder, name, before.get(name))
            if looked is not None:
                seen[name], voice = looked
                voices |= {name: voice} if voice else {}
        for name in self._being_replaced(before.keys() - seen.keys()):
            voices[name] = before[name]
        for noted in (self._faults, self._told, self._unsure):
            for name in noted.keys() - seen.keys():
                del noted[name]
        self._seen, self.voices = seen, tuple(voices[name] for name in sorted(voices))
        return voices != before

    def _look(
        self, folder: Path, name: str, before: Voice | None
    ) -> tuple[_Stamp, Voice | None] | None:
        """Return what a folder's files are known by, and its voice, if it is one; None if it was
        moved meanwhile."""
        known = None if self._seen is None else self._seen.get(name)
        found = _stamp(folder)
        if found is None and before and known is not None:
            return known, before  # it cannot be told now
        stamp, voice = found or (), before
        unchanged = known == stamp
        if not unchanged or self._is_to_be_read_again(name):
            read = self._read(folder, name)
            if (_stamp(folder) or ()) != stamp:
                return None
            voice = before if read == before else read
        if not unchanged:
            self._told.pop(name, None)
            if _is_new(stamp):
                self._unsure[name] = self._clock() + _COARSEST_SECONDS
        if name in self._faults:
            self._unsure.setdefault(name, self._clock() + _FAULT_SECONDS)
        if unchanged or self._seen is None:
            self._tell_fault(name)
        return stamp, voice

    def _tell_fault(self, name: str) -> None:
        fault = self._faults.get(name)
        if fault is not None and fault != self._told.get(name):
            _LOGGER.warning("Voice %r cannot be used: %s", name, fault)
            self._told[name] = fault

    def _is_to_be_read_again(self, name: str) -> bool:
        if self._clock() < self._unsure.get(name, math.inf):
            return False
        del self._unsure[name]
        return True

    def _being_replaced(self, gone: set[str]) -> list[str]:
        """Return those of the voices that were not seen that are there again, or in a moment."""
        now = self._clock()
        self._missed = {name: self._missed.get(name, now) for name in gone if self._is_moved(name)}
        return [name for name, since in self._missed.items() if now - since < _REPLACING_SECONDS]

    def _is_moved(self, name: str) -> bool:
        """Look in both places, more than once: it may be in the other one each time."""
        return any(
            os.path.exists(self._folder / name)
            or any(_name(path) == name for path in self._folder.glob(f"{CHANGING}*/{BEFORE}/*"))
            for _ in range(_LOOKS)
        )

    def _read(self, folder: Path, name: str) -> Voice | None:
        """Read one voice; it has a fault if its folder was meant as one, else there is none."""
        self._faults.pop(name, None)
        try:
            return read_voice(folder)
        except VoiceError as error:
            fault = self._faults[name] = str(error)
        if not (name.isprintable() and holds_recording(folder)):
            return None
        return Voice(name=name, language="en", description=name, engine="csm", fault=fault)

    def _folders(self) -> list[Path] | None:
        """Return the folders of voices; None if it cannot be told which there are."""
        complaint = ""
        try:
            found = sorted(p for p in self._folder.iterdir() if p.name[0] != ".")
            folders = [p for p in found if p.is_dir() and p.name.lower() not in NO_VOICES]
        except FileNotFoundError:
            found, folders = [], []
            complaint = "is not there any more" if self._seen else ""
        except OSError as error:
            self._complain(f"The folder of voices {self._folder} cannot be read: {error.strerror}")
            return None
        loose = [path.name for path in found if is_recording(path) and path.is_file()]
        if len(folders) > MAX_VOICES:
            complaint = f"holds {len(folders)} voices: the first {MAX_VOICES} are used"
        elif loose:
            complaint = f"itself holds {loose[0]!a}: put it in a folder of the voice's name"
        self._complain(complaint and f"{self._folder} {complaint}")
        return folders[:MAX_VOICES]

    def _complain(self, text: str) -> None:
        if text and text != self._complaint:
            _LOGGER.warning("%s", text)
        self._complaint = text


def _name(folder: Path) -> str:
    return unicodedata.normalize("NFC", folder.name)  # macOS takes letters apart


def _stamp(folder: Path) -> _Stamp | None:
    """Return what the folder's files are known by; None if it cannot be looked at."""
    try:
        stats = [(p.name, p.stat()) for p in sorted(folder.iterdir()) if p.is_file()]
    except FileNotFoundError:
        return ()
    except OSError:
        return None
    return tuple((name, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for name, s in stats)


def _is_new(stamp: _Stamp) -> bool:
    """Tell whether a file may change once more without that its times show it."""
    return any(abs(time.time() - changed / 1e9) < _NEW_SECONDS for *_, changed in stamp)
