"""Coqui TTS in its child process: the models of the configuration, speaking by voice."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from wyoming_csm.audio import SAMPLE_RATE, Samples, to_pcm
from wyoming_csm.config import CoquiConfig
from wyoming_csm.errors import EngineError, EngineUnavailable
from wyoming_csm.voices import Voice
from wyoming_csm.worker.coqui.files import local_files, named_files
from wyoming_csm.worker.coqui.setup import prepare
from wyoming_csm.worker.coqui.warm_up import to_read, to_say
from wyoming_csm.worker.protocol import Configure

if TYPE_CHECKING:
    from wyoming_csm.worker.coqui.model import CoquiModel

_LOGGER = logging.getLogger(__name__)

Progress = Callable[[str], None]


def load(configure: Configure, progress: Progress) -> "CoquiSpeaker":
    """Every model of the configuration; what cannot be had is left out with a warning.

    Raises EngineUnavailable if nothing is left.
    """
    settings = msgspec.convert(configure.settings, CoquiConfig)
    download_dir = Path(configure.download_dir)
    progress("starting coqui-tts")
    prepare(
        data_dir=Path(configure.data_dir),
        download_dir=download_dir,
        agreed=settings.agree_to_licence,
        debug=configure.log_level == "DEBUG",
    )
    device = choose_device(settings.device)
    models = _Models(settings, download_dir, device, progress)
    speaks: dict[str, Speaks] = {}
    absent: dict[str, EngineUnavailable] = {}
    for voice in configure.voices:
        try:
            one = speaks[voice.name] = models.for_voice(voice)
            one.model.read(to_read(voice.language), one.language)
        except EngineUnavailable as error:
            _LOGGER.warning("%s is left out: %s", voice.name, error)
            absent[voice.name] = error
    if not speaks:
        raise next(
            iter(absent.values()), EngineUnavailable("no model is named", "set coqui.models")
        )
    return CoquiSpeaker(speaks, absent, device)


def choose_device(wanted: str) -> str:
    """`cpu`, `cuda` or `cuda:N`. Raises EngineUnavailable."""
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    there = torch.cuda.device_count()
    if wanted != "cpu" and int(wanted.partition(":")[2] or 0) >= there:
        raise EngineUnavailable(
            f"there is no {wanted} here (torch sees {there} GPUs)", "set coqui.device: auto"
        )
    return wanted


@dataclass(frozen=True)
class Speaks:
    """A voice, and what speaks for it."""

    voice: Voice
    model: "CoquiModel"
    language: str | None  # as a multilingual model calls it


class _Models:
    """Loads by voice; a model that serves several languages is loaded once."""

    def __init__(
        self, settings: CoquiConfig, download_dir: Path, device: str, progress: Progress
    ) -> None:
        self._settings = settings
        self._download_dir = download_dir
        self._device = device
        self._progress = progress
        self._loaded: dict[str, CoquiModel] = {}

    def for_voice(self, voice: Voice) -> Speaks:
        """Raises EngineUnavailable."""
        name = self._settings.checkpoint or self._settings.models[voice.language]
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        model = self._loaded[name]
        own = matching(voice.language, model.languages)
        if model.languages and own is None:
            raise EngineUnavailable(
                f"{name} does not speak {voice.language!r}",
                f"its languages are {', '.join(model.languages)}",
            )
        return Speaks(replace(voice, speakers=model.speakers), model, own)

    def _load(self, name: str) -> "CoquiModel":
        settings = self._settings
        try:  # heavy, and only importable once `prepare` has run
            from wyoming_csm.worker.coqui.model import CoquiModel
        except (ImportError, OSError) as error:
            raise EngineUnavailable(
                f"coqui-tts cannot be imported ({error})", "pip install '.[coqui]'"
            ) from error
        if settings.checkpoint:
            files = local_files(settings.checkpoint, settings.checkpoint_config)
        else:
            files = named_files(
                name,
                self._download_dir,
                agreed=settings.agree_to_licence,
                progress=self._progress,
            )
        self._progress(f"loading {name}")
        return CoquiModel(name, files, self._device)


class CoquiSpeaker:
    """The sentence loop's speaker."""

    def __init__(
        self, speaks: dict[str, Speaks], absent: dict[str, EngineUnavailable], device: str
    ) -> None:
        self._speaks = speaks
        self._absent = absent
        self._device = device

    @property
    def detail(self) -> str:
        left_out = f"; left out: {', '.join(self._absent)}" if self._absent else ""
        return f"{', '.join(self._speaks)} on {self._device}{left_out}"

    @property
    def voices(self) -> tuple[Voice, ...]:
        return tuple(one.voice for one in self._speaks.values())

    @property
    def rehearsal(self) -> Sequence[tuple[str, Voice]]:
        """A sentence of each model."""
        firsts = {id(one.model): one.voice for one in reversed(self._speaks.values())}
        return [(to_say(voice.language), voice) for voice in firsts.values()]

    def say(self, text: str, voice: Voice) -> Iterator[bytes]:
        """24 kHz mono s16le. Raises EngineError."""
        one = self._speaks.get(voice.name)
        if one is None:
            raise self._absent.get(voice.name) or EngineError(f"there is no voice {voice.name!r}")
        return to_24k(one.model.say(text, voice.speaker, one.language), one.model.rate)


def matching(code: str, known: Sequence[str]) -> str | None:
    """Which of a model's own language names a code means: `pt_BR` is its `pt-br`, or its `pt`."""
    wanted = code.replace("_", "-").lower()
    for fits in (wanted, wanted.partition("-")[0]):
        for name in known:
            if fits in (name.lower(), name.lower().partition("-")[0]):
                return name
    return None


def to_24k(pieces: Iterable[Samples], rate: int) -> Iterator[bytes]:
    """Pieces [samples] at `rate` Hz as s16le at 24 kHz, without a seam between them."""
    import soxr

    if rate == SAMPLE_RATE:
        yield from map(to_pcm, pieces)
        return
    import numpy as np

    stream = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")
    for piece in pieces:
        yield to_pcm(stream.resample_chunk(piece))
    yield to_pcm(stream.resample_chunk(np.zeros(0, np.float32), last=True))
