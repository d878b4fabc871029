"""A model by its name: spoken by onnxruntime if it can be, else by coqui-tts with torch.

The first start has coqui-tts load it and exports it; later ones need neither torch nor coqui-tts's
own tree, for as long as the files are the same.
"""

import hashlib
import json
import logging
import sys
from collections.abc import Iterator
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from wyoming_csm.audio import Samples
from wyoming_csm.config import CoquiConfig
from wyoming_csm.disk_cache import DiskCache, fingerprint
from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.worker.coqui.exported import FORMAT, Exported, ExportedModel
from wyoming_csm.worker.coqui.files import (
    ModelFiles,
    Progress,
    downloaded_files,
    identity_of,
    local_files,
    named_files,
)
from wyoming_csm.worker.coqui.setup import import_inflect, prepare, quieten
from wyoming_csm.worker.coqui.tokens import Alphabet
from wyoming_csm.worker.protocol import Configure

if TYPE_CHECKING:
    from wyoming_csm.worker.coqui.model import CoquiModel

_LOGGER = logging.getLogger(__name__)

_RECIPE = 1  # another number when the same words should sound otherwise
# Where a GPU that torch could use is, one of these is: NVIDIA's, WSL's, a Jetson's, AMD's.
_GPUS = ("/dev/nvidiactl", "/dev/dxg", "/dev/nvmap", "/dev/kfd")


class Model(Protocol):
    """A loaded model."""

    name: str
    rate: int  # Hz
    speakers: tuple[str, ...]  # to choose among, in the model's own words; one alone is no choice
    languages: tuple[str, ...]  # likewise
    speeds: tuple[float, float]  # at which it can speak, the slowest and the fastest, of 1.0
    alphabet: Alphabet | None  # None: it reads phonemes, or does not tell

    def read(self, text: str, language: str | None) -> None:
        """Turn `text` into letters or phonemes, so that what this loads is there for the next."""

    def say(
        self, text: str, speaker: str, language: str | None, speed: float = 1.0
    ) -> Iterator[Samples]:
        """Make the sound of `text` in chunks [samples] at `rate`, so many times as fast as usual.
        May raise anything.

        An unknown speaker is the first one. A text without anything to speak is no sound.
        """


class Models:
    """Loads them. Raises EngineUnavailable if the device that is asked for is not here."""

    def __init__(self, configure: Configure, settings: CoquiConfig, progress: Progress) -> None:
        self._settings, self._progress = settings, progress
        self._download_dir = Path(configure.download_dir)
        self._debug = configure.log_level == "DEBUG"
        quieten(debug=self._debug)
        import_inflect()
        if _may_have_gpu(settings.device):
            self._coqui_tts()  # before torch, which is to count them
        self.device = choose_device(settings.device)
        folder = Path(configure.data_dir) / "exported"
        self._cache = DiskCache(folder, ".zip", len(configure.voices) + 1)
        self._loaded: dict[str, ModelFiles] = {}  # by the model's name

    def load(self, name: str) -> Model:
        """Load one. Raises EngineUnavailable if its files are not here, or do not make a model."""
        self._progress(f"loading {name}")
        files = self._files_here(name)
        if files and (path := self._path(files)):
            found = self._cache.read(path, lambda file: ExportedModel(name, Exported.read(file)))
            if found is not None:
                self._loaded[name] = files
                return found
        self._coqui_tts()
        if not self._settings.checkpoint:
            agreed = self._settings.agree_to_licence
            files = named_files(name, self._download_dir, agreed=agreed, progress=self._progress)
        assert files is not None
        self._loaded[name] = files
        self._progress(f"loading {name}")
        return self._by_torch(name, files)

    @property
    def identity(self) -> str:
        """Tell what speaks for each language from other models, by what is in the files; "" if that
        cannot be."""
        own = self._settings.checkpoint
        by_language = {self._settings.checkpoint_language: own} if own else self._settings.models
        try:
            loaded = {
                language: identity_of(self._loaded[name])
                for language, name in by_language.items()
                if name in self._loaded
            }
        except OSError:
            return ""
        key = json.dumps([_RECIPE, loaded], sort_keys=True)
        return hashlib.sha256(key.encode()).hexdigest()[:32]

    def _files_here(self, name: str) -> ModelFiles | None:
        if self._settings.checkpoint:
            return local_files(self._settings.checkpoint, self._settings.checkpoint_config)
        return downloaded_files(name, self._download_dir)

    @cached_property
    def _may_export(self) -> bool:
        """Say whether onnxruntime can speak here; on a GPU torch does."""
        if self.device != "cpu":
            return False
        try:
            import onnxruntime  # noqa: F401
        except (ImportError, OSError) as error:
            _LOGGER.info("Without onnxruntime, by which VITS is quicker: %s", error)
            return False
        return True

    def _path(self, files: ModelFiles) -> Path | None:
        """Return where the export of these files is to be, named by all that it is made from; None
        if there is none, or the files cannot be read."""
        if not self._may_export:
            return None
        import onnxruntime

        try:
            made_from = [fingerprint(files.checkpoint), fingerprint(files.config)]
        except OSError:
            return None  # said by coqui-tts
        key = [FORMAT, version("coqui-tts"), onnxruntime.__version__, *made_from]
        return self._cache.path(hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32])

    def _coqui_tts(self) -> None:
        """Start coqui-tts. Raises EngineUnavailable if it cannot be imported."""
        if "TTS" in sys.modules:
            return
        self._progress("starting coqui-tts")
        try:
            prepare(
                download_dir=self._download_dir,
                agreed=self._settings.agree_to_licence,
                debug=self._debug,
            )
        except (ImportError, OSError) as error:
            raise EngineUnavailable(
                f"coqui-tts cannot be imported ({error})", "pip install '.[coqui]'"
            ) from error

    def _by_torch(self, name: str, files: ModelFiles) -> Model:
        try:  # heavy, and only importable once `prepare` has run
            from wyoming_csm.worker.coqui.model import CoquiModel
        except (ImportError, OSError) as error:
            raise EngineUnavailable(
                f"coqui-tts cannot be imported ({error})", "pip install '.[coqui]'"
            ) from error
        model = CoquiModel(name, files, self.device)
        path = self._path(files) if model.vits is not None else None
        return (self._export(model, path) if path else None) or model

    def _export(self, model: "CoquiModel", path: Path) -> Model | None:
        from wyoming_csm.worker.coqui.export import exported_or_none

        self._progress(f"preparing {model.name} for onnxruntime, once")
        found = exported_or_none(model)
        if found is None:
            return None
        exported, speaking = found
        for _ in self._cache.write(path, exported.chunks()):
            pass
        return speaking


def choose_device(wanted: str) -> str:
    """Return `cpu`, `cuda` or `cuda:N`. Raises EngineUnavailable if that is not here."""
    gpus = 0
    if _may_have_gpu(wanted):
        import torch

        gpus = torch.cuda.device_count()
    if wanted == "auto":
        return "cuda" if gpus else "cpu"
    if wanted != "cpu" and int(wanted.partition(":")[2] or 0) >= gpus:
        raise EngineUnavailable(
            f"there is no {wanted} here (torch sees {gpus} GPUs)", "set coqui.device: auto"
        )
    return wanted


def _may_have_gpu(wanted: str) -> bool:
    """Say whether it is worth importing torch to look."""
    return wanted != "cpu" and any(Path(path).exists() for path in _GPUS)
