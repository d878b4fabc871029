"""An `espeak-ng` command over the library in the `espeakng-loader` wheel.

It takes those options of the real command that the system voice and Coqui's phonemizer use, and
prints what the real one prints. It is a process of its own because the library is not
thread-safe and its licence is the GPL; so this file imports nothing of this package.
"""

import ctypes
import getopt
import importlib.util
import os
import shutil
import struct
import sys
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

_MODULE = "wyoming_csm.worker.system.espeak_ng"
_SAMPLE_BYTES = 2
# espeak-ng's speak_lib.h
_RETRIEVAL = 1  # sound comes to the callback
_DONT_EXIT = 0x8000  # of espeak_Initialize
_UTF8, _PHONEMES, _END_PAUSE = 1, 0x100, 0x1000  # of espeak_Synth
_RATE = 1  # of espeak_SetParameter, words per minute
_IPA, _UNDERSCORES = 0x02, ord("_") << 8  # of espeak_SetPhonemeTrace
_UNKNOWN_LENGTH = 0x7FFFF000  # in the header of a WAV that is still being made

_SoundCallback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class _VoiceEntry(ctypes.Structure):
    """The library's espeak_VOICE."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),  # a priority byte and a NUL-ended code, again and again
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("unused", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


def find_command() -> tuple[str, ...] | None:
    """Find what to run as `espeak-ng`: this file over the wheel, or an installed one."""
    if importlib.util.find_spec("espeakng_loader") is not None:
        return (sys.executable, "-m", _MODULE)
    installed = shutil.which("espeak-ng")
    return (installed,) if installed else None


def install_command(folder: Path) -> Path:
    """Write an executable `espeak-ng` into `folder`, to be put on PATH (POSIX); return its path."""
    path = folder / "espeak-ng"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {_MODULE} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return path


class Library:
    """The library, initialised; one of them in a process. Raises OSError if it cannot load."""

    def __init__(self) -> None:
        import espeakng_loader

        self.data_path: str = espeakng_loader.get_data_path()
        self._lib: Any = ctypes.CDLL(espeakng_loader.get_library_path())
        self._lib.espeak_Info.restype = ctypes.c_char_p
        self._lib.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_VoiceEntry))
        self.rate: int = self._lib.espeak_Initialize(
            _RETRIEVAL, 0, self.data_path.encode(), _DONT_EXIT
        )
        if self.rate <= 0:
            raise OSError(f"espeak-ng does not start with the data in {self.data_path}")
        self.version: str = self._lib.espeak_Info(None).decode()

    def voices(self) -> Iterator[_VoiceEntry]:
        """Go through the voices, by language."""
        found = self._lib.espeak_ListVoices(None)
        return (voice.contents for voice in takewhile(bool, found))

    def set_voice(self, name: str) -> bool:
        """Choose a voice by its name or a language's code; return whether there is one."""
        if self._lib.espeak_SetVoiceByName(name.encode()) == 0:
            return True
        code = ctypes.create_string_buffer(name.encode())
        wanted = _VoiceEntry(languages=ctypes.addressof(code))
        return bool(self._lib.espeak_SetVoiceByProperties(ctypes.byref(wanted)) == 0)

    def set_speed(self, words_per_minute: int) -> None:
        self._lib.espeak_SetParameter(_RATE, words_per_minute, 0)

    def print_phonemes(self) -> None:
        """Make `synthesize` print each clause's phonemes, in IPA with `_` between them."""
        os.dup2(1, 2)  # the library prints to standard error when it is given no C stream
        self._lib.espeak_SetPhonemeTrace(_IPA | _UNDERSCORES, None)

    def synthesize(self, text: str, sound: Callable[[bytes], None]) -> None:
        """Hand the sound of `text` (mono s16le at `rate` Hz) to `sound` while it is made."""

        def on_samples(samples: Any, count: int, _events: Any) -> int:
            try:
                if samples and count > 0:
                    sound(ctypes.string_at(samples, count * _SAMPLE_BYTES))
            except BrokenPipeError:
                return 1  # the output was closed: stop
            return 0

        callback = _SoundCallback(on_samples)  # it must live until the library is done
        self._lib.espeak_SetSynthCallback(callback)
        data = text.encode("utf-8", "replace") + b"\0"
        flags = _UTF8 | _PHONEMES | _END_PAUSE
        self._lib.espeak_Synth(data, len(data), 0, 0, 0, flags, None, None)
        self._lib.espeak_Synchronize()


def _list_voices(library: Library) -> None:
    print("Pty Language       Age/Gender VoiceName          File                 Other Languages")
    for voice in library.voices():
        priority = ctypes.string_at(voice.languages, 1)[0]
        code = ctypes.string_at(voice.languages + 1).decode()
        name = voice.name.decode().replace(" ", "_")
        gender = "-MF-"[min(voice.gender, 3)]
        age = str(voice.age) if voice.age else "--"
        file = voice.identifier.decode()
        print(f"{priority:2}  {code:<15} {age:>2}/{gender}      {name:<18} {file:<20} ")


def _wav_header(rate: int) -> bytes:
    """Make the header of a mono s16le WAV whose length is not known yet."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16)
    head = struct.pack("<4sI4s", b"RIFF", _UNKNOWN_LENGTH + 36, b"WAVE")
    return head + form + struct.pack("<4sI", b"data", _UNKNOWN_LENGTH)


def main(arguments: list[str]) -> int:
    """Run `-v VOICE [-s WORDS] [-q] [--ipa=1] [--stdout] [--stdin|-f FILE]`, `--version` or
    `--voices`; return 0, or 1 with a line on standard error."""
    try:
        found, _ = getopt.getopt(
            arguments, "qb:v:s:f:", ["version", "voices", "stdin", "stdout", "ipa="]
        )
        options = dict(found)
        if options.get("--ipa", "1") != "1":
            raise getopt.GetoptError("--ipa=1 is the only form of phonemes")
        library = Library()
    except (getopt.GetoptError, OSError) as error:
        print(f"espeak-ng: {error}", file=sys.stderr)
        return 1
    if "--version" in options:
        print(f"eSpeak NG text-to-speech: {library.version}  Data at: {library.data_path}")
        return 0
    if "--voices" in options:
        _list_voices(library)
        return 0
    if not library.set_voice(options.get("-v", "en")):
        print("Error: The specified espeak-ng voice does not exist.", file=sys.stderr)
        return 1
    if "-s" in options:
        library.set_speed(int(options["-s"]))
    if "--ipa" in options:
        library.print_phonemes()
    data = Path(options["-f"]).read_bytes() if "-f" in options else sys.stdin.buffer.read()

    def write(sound: bytes) -> None:
        if "--stdout" in options:
            sys.stdout.buffer.write(sound)
            sys.stdout.buffer.flush()

    write(_wav_header(library.rate))
    library.synthesize(data.decode("utf-8", "replace"), write)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
