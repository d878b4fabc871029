"""espeak-ng's library, of the `espeakng-loader` wheel, and an `espeak-ng` command over it.

The command takes those options of the real one that the system voice uses, and prints what the
real one prints. It is a process for each sentence: a sentence that crashes or hangs costs no other
one. Coqui's child asks the library itself for phonemes. The library is not thread-safe and its
licence is the GPL: it is never in the server's process, and this file imports nothing of this
package.
"""

import ctypes
import getopt
import importlib.util
import shutil
import struct
import sys
from collections.abc import Callable
from itertools import takewhile
from typing import Any

_MODULE = "wyoming_csm.worker.system.espeak_ng"
_SAMPLE_BYTES = 2
# espeak-ng's speak_lib.h
_RETRIEVAL = 1  # sound comes to the callback
_DONT_EXIT = 0x8000  # of espeak_Initialize
_UTF8, _PHONEMES, _END_PAUSE = 1, 0x100, 0x1000  # of espeak_Synth
_RATE = 1  # of espeak_SetParameter, words per minute
_IPA, _UNDERSCORES = 0x02, ord("_") << 8  # of espeak_TextToPhonemes and espeak_SetPhonemeTrace
_TONAL = ("cmn", "hak", "shn", "vi", "yue")  # languages whose tones are found with the sound
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


class Library:
    """The library, initialised; one of them in a process. Raises OSError if it cannot load."""

    def __init__(self) -> None:
        import espeakng_loader

        self.data_path: str = espeakng_loader.get_data_path()
        self._lib: Any = ctypes.CDLL(espeakng_loader.get_library_path())
        self._lib.espeak_Info.restype = ctypes.c_char_p
        self._lib.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_VoiceEntry))
        self._lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self.rate: int = self._lib.espeak_Initialize(
            _RETRIEVAL, 0, self.data_path.encode(), _DONT_EXIT
        )
        if self.rate <= 0:
            raise OSError(f"espeak-ng does not start with the data in {self.data_path}")
        self.version: str = self._lib.espeak_Info(None).decode()

    def languages(self) -> dict[str, str]:
        """Return the voices' names by the codes of their languages."""
        found = (voice.contents for voice in takewhile(bool, self._lib.espeak_ListVoices(None)))
        # a priority byte stands before the code
        return {ctypes.string_at(v.languages + 1).decode(): v.name.decode() for v in found}

    def set_voice(self, name: str) -> bool:
        """Choose a voice by its name or a language's code; return whether there is one."""
        if self._lib.espeak_SetVoiceByName(name.encode()) == 0:
            return True
        code = ctypes.create_string_buffer(name.encode())
        wanted = _VoiceEntry(languages=ctypes.addressof(code))
        return bool(self._lib.espeak_SetVoiceByProperties(ctypes.byref(wanted)) == 0)

    def set_speed(self, words_per_minute: int) -> None:
        self._lib.espeak_SetParameter(_RATE, words_per_minute, 0)

    def phonemes(self, text: str, language: str) -> list[str]:
        """Return each clause's phonemes in IPA with `_` between them. Raises ValueError.

        Making no sound of the text takes a hundredth of the time; they are the same, except where
        the tones of syllables change with their neighbours', or phonemes are written as `[[…]]`.
        """
        if not self.set_voice(language):
            raise ValueError(f"espeak-ng has no voice {language!r}")
        if language.partition("-")[0] in _TONAL or "[[" in text:
            return self.traced_phonemes(text)
        data = ctypes.create_string_buffer(text.encode("utf-8", "replace"))
        rest, clauses = ctypes.c_void_p(ctypes.addressof(data)), []
        while rest.value:
            found = self._lib.espeak_TextToPhonemes(ctypes.byref(rest), _UTF8, _IPA | _UNDERSCORES)
            clauses.append((found or b"").decode())
        return clauses

    def traced_phonemes(self, text: str) -> list[str]:
        """Return what the real command prints with `--ipa=1`, a line for each clause (POSIX)."""
        libc: Any = ctypes.CDLL(None)
        libc.open_memstream.restype = ctypes.c_void_p
        written, size = ctypes.c_void_p(), ctypes.c_size_t()
        stream = ctypes.c_void_p(libc.open_memstream(ctypes.byref(written), ctypes.byref(size)))
        self._lib.espeak_SetPhonemeTrace(_IPA | _UNDERSCORES, stream)
        try:
            self.synthesize(text, lambda _sound: None)
        finally:
            self._lib.espeak_SetPhonemeTrace(0, None)
            libc.fclose(stream)
            found = ctypes.string_at(written, size.value).decode()
            libc.free(written)
        return found.splitlines()

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


def _wav_header(rate: int) -> bytes:
    """Make the header of a mono s16le WAV whose length is not known yet."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16)
    head = struct.pack("<4sI4s", b"RIFF", _UNKNOWN_LENGTH + 36, b"WAVE")
    return head + form + struct.pack("<4sI", b"data", _UNKNOWN_LENGTH)


def main(arguments: list[str]) -> int:
    """Run `-v VOICE [-s WORDS] [-b 1] [--stdin] [--stdout]`; return 0, or 1 with a line on standard
    error."""
    try:
        found, _ = getopt.getopt(arguments, "b:v:s:", ["stdin", "stdout"])
        options = dict(found)
        library = Library()
    except (getopt.GetoptError, OSError) as error:
        print(f"espeak-ng: {error}", file=sys.stderr)
        return 1
    if not library.set_voice(options.get("-v", "en")):
        print("Error: The specified espeak-ng voice does not exist.", file=sys.stderr)
        return 1
    if "-s" in options:
        library.set_speed(int(options["-s"]))

    def write(sound: bytes) -> None:
        if "--stdout" in options:
            sys.stdout.buffer.write(sound)
            sys.stdout.buffer.flush()

    write(_wav_header(library.rate))
    library.synthesize(sys.stdin.buffer.read().decode("utf-8", "replace"), write)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
