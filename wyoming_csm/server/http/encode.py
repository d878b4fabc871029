"""An answer's sound in the formats that are asked for, part by part while it is made.

WAV has no length in its header, which nobody knows when it begins: it says "to the end" as
OpenAI's does. MP3, FLAC and Opus are written by libsndfile, which then would go back and write
what is known at the end into the beginning: that is left out, and players do without.
"""

from io import RawIOBase
from typing import Any, Literal, Protocol

import numpy as np

from wyoming_csm.audio import BYTES_PER_SECOND, CHANNELS, SAMPLE_RATE, SAMPLE_WIDTH
from wyoming_csm.errors import RequestError

Format = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
MIME: dict[Format, str] = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
_KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    # At a constant rate, so that players know how long a part is.
    "mp3": ("MP3", "MPEG_LAYER_III", {"bitrate_mode": "CONSTANT", "compression_level": 0.5}),
    "flac": ("FLAC", "PCM_16", {}),
    "opus": ("OGG", "OPUS", {}),
}
_UNKNOWN = 0xFFFF_FFFF  # a length in a header of WAV
_SET_OGG_PAGE_LATENCY_MS = 0x1302  # of libsndfile's commands
_PAGE_MS = 100.0  # else a page of Ogg is filled for a second before it goes


class Encoder(Protocol):
    """Turns 24 kHz mono s16le into a format. Slow ones belong in a thread."""

    slow: bool

    def feed(self, pcm: bytes) -> bytes:
        """Take the next sound; return what can go on."""

    def end(self) -> bytes:
        """Return the rest."""

    def close(self) -> None:
        """Give back what it holds, also in the middle of a sound. Safe to call twice."""


def encoder_of(name: Format) -> Encoder:
    """Make the encoder of a format. Raises RequestError where what it needs is not installed."""
    match name:
        case "pcm":
            return Plain()
        case "wav":
            return Plain(wav_header(None))
        case "aac":
            return Aac()
        case "mp3" | "flac" | "opus":
            return LibSndFile(name)


def wav_header(data_bytes: int | None) -> bytes:
    """Return what stands before so many bytes of sound in a WAV file; None: nobody knows yet."""
    whole = _UNKNOWN if data_bytes is None else data_bytes + 36
    size = _UNKNOWN if data_bytes is None else data_bytes
    numbers = (
        (16, 4), (1, 2), (CHANNELS, 2), (SAMPLE_RATE, 4), (BYTES_PER_SECOND, 4),
        (CHANNELS * SAMPLE_WIDTH, 2), (8 * SAMPLE_WIDTH, 2),
    )  # fmt: skip
    form = b"".join(number.to_bytes(width, "little") for number, width in numbers)
    riff = b"RIFF" + whole.to_bytes(4, "little") + b"WAVEfmt "
    return riff + form + b"data" + size.to_bytes(4, "little")


class Plain:
    """The sound as it is, behind a header, if there is one."""

    slow = False

    def __init__(self, header: bytes = b"") -> None:
        self._header = header

    def feed(self, pcm: bytes) -> bytes:
        header, self._header = self._header, b""
        return header + pcm

    def end(self) -> bytes:
        return self.feed(b"")

    def close(self) -> None:
        pass


class Sink(RawIOBase):
    """A file that is taken away while it is written; what is written into what went is dropped."""

    def __init__(self) -> None:
        self._gone = 0  # bytes taken from the beginning
        self._there = bytearray()
        self._at = 0

    def take(self) -> bytes:
        """Return what was written since the last time."""
        found = bytes(self._there)
        self._gone += len(found)
        self._there.clear()
        return found

    def write(self, data: Any, /) -> int:
        part = bytes(data)
        begin = self._at - self._gone
        self._at += len(part)
        kept = part[max(0, -begin) :]
        begin = max(0, begin)
        self._there[begin : begin + len(kept)] = kept
        return len(part)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        end = self._gone + len(self._there)
        self._at = offset + (0, self._at, end)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def seekable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True


class LibSndFile:
    """MP3, FLAC or Opus by libsndfile."""

    slow = True

    def __init__(self, name: str) -> None:
        import soundfile

        kind, subtype, more = _KINDS[name]
        self._sink = Sink()
        self._file = soundfile.SoundFile(
            self._sink, "w", SAMPLE_RATE, CHANNELS, subtype, format=kind, **more
        )
        self._begins_with_gap = name == "mp3"
        if name == "opus":
            _shorten_pages(soundfile, self._file)

    def feed(self, pcm: bytes) -> bytes:
        self._file.write(np.frombuffer(pcm, dtype="<i2"))
        return self._taken()

    def end(self) -> bytes:
        self.close()
        return self._taken()

    def close(self) -> None:
        self._file.close()

    def _taken(self) -> bytes:
        found = self._sink.take()
        if found and self._begins_with_gap:
            self._begins_with_gap = False
            return _without_gap(found)
        return found


def _without_gap(mp3: bytes) -> bytes:
    """Leave out the first frame, in which the length was to be written at the end."""
    at = mp3.find(b"\xff\xf3", 2)
    return mp3[at:] if at > 0 and not any(mp3[40:at]) else mp3


def _shorten_pages(soundfile: Any, file: Any) -> None:
    """Let Ogg pages go after 0.1 s instead of 1 s; soundfile has no word for it."""
    milliseconds = soundfile._ffi.new("double *", _PAGE_MS)
    soundfile._snd.sf_command(file._file, _SET_OGG_PAGE_LATENCY_MS, milliseconds, 8)


class Aac:
    """AAC in ADTS frames, by PyAV's FFmpeg, which has a thread for each core until it is closed."""

    slow = True

    def __init__(self) -> None:
        try:
            import av
        except ImportError as error:
            raise RequestError(
                "aac needs PyAV, which is not installed here: pip install 'wyoming-csm[aac]', or"
                " ask for mp3 or opus"
            ) from error
        self._av = av
        self._sink = Sink()
        self._file: Any = av.open(self._sink, "w", format="adts")
        self._stream: Any = self._file.add_stream("aac", rate=SAMPLE_RATE, layout="mono")

    def feed(self, pcm: bytes) -> bytes:
        if pcm:
            samples = np.frombuffer(pcm, dtype="<i2").reshape(1, -1)
            frame = self._av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate = SAMPLE_RATE
            self._file.mux(self._stream.encode(frame))
        return self._sink.take()

    def end(self) -> bytes:
        self._file.mux(self._stream.encode(None))
        self.close()
        return self._sink.take()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = self._stream = None  # these two hold each other, and the threads
