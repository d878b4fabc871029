"""The recorded voices below a folder, found again while the server runs."""

import logging
import unicodedata
from pathlib import Path

from wyoming_csm.errors import VoiceError
from wyoming_csm.recordings import holds_recording, is_recording, read_voice
from wyoming_csm.voices import Voice

_LOGGER = logging.getLogger(__name__)

MAX_VOICES = 200
# Folders that file managers, archives and disks leave behind.
NO_VOICES = ("__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information")
_Stamp = tuple[tuple[str, int, int], ...]  # names, sizes and times of a folder's files


class VoiceBook:
    """The voices in the folders `<name>/{clip.wav, clip.txt, voice.yaml}` below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.voices: tuple[Voice, ...] = ()  # as last read, by name
        self._seen: dict[str, _Stamp] | None = None  # None: not looked yet
        self._unsaid: dict[str, str] = {}  # faults of folders that may still be being copied
        self._complaint = ""  # about the whole folder, so that it is logged once

    def refresh(self) -> bool:
        """Look at the folder again; return whether the voices changed.

        Only folders whose files changed are read. A folder that cannot be used is one warning, as
        soon as its files did not change between two looks (at the first look: at once), and a
        voice with a fault.
        """
        before = {voice.name: voice for voice in self.voices}
        first = self._seen is None
        seen: dict[str, _Stamp] = {}
        voices: dict[str, Voice] = {}
        for folder in self._folders():
            name = unicodedata.normalize("NFC", folder.name)  # macOS takes letters apart
            if name in seen:
                continue
            seen[name] = _stamp(folder)
            unchanged = self._seen is not None and self._seen.get(name) == seen[name]
            if not unchanged:
                voices |= self._read(folder, name)
            elif name in before:
                voices[name] = before[name]
            if (unchanged or first) and (fault := self._unsaid.pop(name, "")):
                _LOGGER.warning("Voice %r cannot be used: %s", name, fault)
        self._seen, self.voices = seen, tuple(voices.values())
        return voices != before

    def _read(self, folder: Path, name: str) -> dict[str, Voice]:
        """Read one voice, by name; it has a fault if its folder was meant as one, else there is
        none."""
        self._unsaid.pop(name, None)
        try:
            return {name: read_voice(folder)}
        except VoiceError as error:
            fault = self._unsaid[name] = str(error)
        if not (name.isprintable() and holds_recording(folder)):
            return {}
        return {name: Voice(name=name, language="en", description=name, engine="csm", fault=fault)}

    def _folders(self) -> list[Path]:
        try:
            found = sorted(p for p in self._folder.iterdir() if p.name[0] != ".")
        except FileNotFoundError:
            found = []
        except OSError as error:
            self._complain(f"The folder of voices {self._folder} cannot be read: {error.strerror}")
            return []
        folders = [p for p in found if p.is_dir() and p.name.lower() not in NO_VOICES]
        loose = [path.name for path in found if is_recording(path) and path.is_file()]
        complaint = ""
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


def _stamp(folder: Path) -> _Stamp:
    try:
        stats = [(p.name, p.stat()) for p in sorted(folder.iterdir()) if p.is_file()]
    except OSError:
        return ()
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
