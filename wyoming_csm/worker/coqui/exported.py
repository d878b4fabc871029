"""An exported VITS, spoken by onnxruntime without torch; and the file that it is stored in."""

import io
import os
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np

from wyoming_csm.audio import Samples
from wyoming_csm.disk_cache import fingerprint
from wyoming_csm.worker.coqui.tokens import Description, Tokenizer
from wyoming_csm.worker.coqui.vits_streaming import SPEEDS, in_chunks

FORMAT = 1  # another whenever what is stored comes to mean something else
_MOST_THREADS = 4
_PROVIDERS = ["CPUExecutionProvider"]
_ERRORS = 3  # and above, of what onnxruntime logs
_CHUNK_BYTES = 16 * 2**20

Scales = tuple[float, float, float]  # of noise, of length, of noise in durations


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be known about the model besides its weights."""

    rate: int  # Hz
    margin: int  # frames around a window that its sound depends on
    scales: Scales
    tokens: Description
    speakers: dict[str, int | list[float]]  # what the model is given for each
    names: tuple[str, ...]  # of speakers, in the model's order
    languages: dict[str, int]
    reads_language: bool  # besides the phonemes
    files: dict[str, list[Any]]  # that its configuration names, with their fingerprints


def fingerprints(files: Iterable[Path]) -> dict[str, list[Any]]:
    """Return what tells each of these files from others. Raises OSError."""
    return {str(path): fingerprint(path) for path in files}


@dataclass(frozen=True)
class Exported:
    """A model as it is stored: two graphs of ONNX and what is to be known about them."""

    about: About
    layout: bytes
    decoder: bytes

    def chunks(self) -> Iterator[memoryview]:
        """Go through the bytes of the file."""
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as archive:
            archive.writestr("about", msgspec.json.encode(self.about))
            archive.writestr("layout", self.layout)
            archive.writestr("decoder", self.decoder)
        data = made.getbuffer()
        for start in range(0, len(data), _CHUNK_BYTES):
            yield data[start : start + _CHUNK_BYTES]

    @classmethod
    def read(cls, path: Path) -> "Exported":
        """Read the file. Raises OSError, or ValueError if it is damaged or its model changed."""
        try:
            with zipfile.ZipFile(path) as archive:
                parts = [archive.read(name) for name in ("about", "layout", "decoder")]
            about = msgspec.json.decode(parts[0], type=About)
        except zipfile.BadZipFile as error:
            raise ValueError(str(error)) from error.__context__  # of the disk's, it may be
        except (KeyError, msgspec.DecodeError, EOFError) as error:
            raise ValueError(str(error)) from error
        if msgspec.to_builtins(fingerprints(map(Path, about.files))) != about.files:
            raise ValueError("a file that the model was made with is another now")
        return cls(about, *parts[1:])


def optimised(graph: bytes) -> bytes:
    """Do for good what loading a graph would do each time, where that does not depend on the CPU.

    Raises anything.
    """
    import onnxruntime

    with TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = f"{folder}/graph.onnx"
        options.log_severity_level = _ERRORS
        onnxruntime.InferenceSession(graph, options, providers=_PROVIDERS)
        return Path(options.optimized_model_filepath).read_bytes()


class ExportedModel:
    """A model that speaks. Raises ValueError if onnxruntime cannot use it."""

    def __init__(self, name: str, exported: Exported) -> None:
        about = exported.about
        self.name, self.rate = name, about.rate
        self._about = about
        self._layout = _session(exported.layout)
        self._decoder = _session(exported.decoder, arena=True)
        self._tokens = Tokenizer(about.tokens)
        self.alphabet = self._tokens.alphabet
        self._speakers = {name.strip(): name for name in about.names if name.strip()}
        self.speakers = tuple(self._speakers) if len(self._speakers) > 1 else ()
        languages = tuple(sorted(about.languages))
        self._only_language = languages[0] if len(languages) == 1 else None
        self.languages = languages if len(languages) > 1 else ()
        self.speeds = SPEEDS

    def read(self, text: str, language: str | None) -> None:
        """Turn `text` into letters or phonemes, so that what this loads is there for the next."""
        self._tokens.ids(text, language or self._only_language)

    def say(
        self, text: str, speaker: str, language: str | None, speed: float = 1.0
    ) -> Iterator[Samples]:
        """Make the sound of `text` in chunks [samples] at `rate`, so many times as fast as usual.
        May raise anything.

        An unknown speaker is the first one. A text without anything to speak is no sound.
        """
        language = language or self._only_language
        if not any(char.isalnum() for char in text) or not self._tokens.can_speak(text, language):
            return
        ids = self._tokens.ids(text, language)
        noise, length, duration_noise = self._about.scales
        yield from self.speak(ids, speaker, language, (noise, length / speed, duration_noise))

    def speak(
        self, ids: list[int], speaker: str, language: str | None, scales: Scales
    ) -> Iterator[Samples]:
        """Make the sound of letters or phonemes by their numbers, in chunks [samples]."""
        layout, *tone = self._layout.run(None, self._inputs(ids, speaker, language, scales))
        given = {"tone": tone[0]} if tone else {}

        def decode(start: int, end: int) -> Samples:
            window = layout[..., start:end]  # [1, channels, frames]
            sound: Samples = self._decoder.run(None, {"layout": window, **given})[0][0, 0]
            return sound

        yield from in_chunks(layout.shape[-1], self._about.margin, self.rate, decode)

    def _inputs(
        self, ids: list[int], speaker: str, language: str | None, scales: Scales
    ) -> dict[str, Any]:
        given: dict[str, Any] = {
            "ids": np.array([ids], np.int64),
            "scales": np.array(scales, np.float32),
        }
        if self._about.speakers:
            name = self._speakers.get(speaker) or next(iter(self._speakers.values()))
            found = self._about.speakers[name]
            kind = np.int64 if isinstance(found, int) else np.float32
            given["speaker"] = np.array([found], kind)
        if self._about.reads_language and language is not None:
            given["language"] = np.array([self._about.languages[language]], np.int64)
        return given


def _session(graph: bytes, *, arena: bool = False) -> Any:
    """Load a graph. Raises ValueError if onnxruntime cannot use it, ImportError without that.

    `arena`: hold on to the memory of the largest run, which spares asking the system for it anew.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # It was optimised before it was stored; what is left would take 50 ms, and make it slower.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = min(_MOST_THREADS, os.cpu_count() or 1)
    options.inter_op_num_threads = 1
    # Threads that spin while they wait make a busy machine many times slower.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = arena
    options.enable_mem_pattern = False  # lengths differ
    options.log_severity_level = _ERRORS
    try:
        return onnxruntime.InferenceSession(graph, options, providers=_PROVIDERS)
    except Exception as error:  # it raises nothing narrower
        raise ValueError(str(error)) from error
