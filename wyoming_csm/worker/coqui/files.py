"""The files of Coqui's models: the user's own, or those of coqui-tts's list, downloaded."""

import difflib
import logging
import shutil
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from wyoming_csm.disk_cache import fingerprint, require_room
from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.logs import without_passwords

_LOGGER = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
STALL_SECONDS = 30.0  # without a byte
PROGRESS_SECONDS = 2.0
_CHUNK_BYTES = 256 * 1024
_NOT_THE_MODEL = ("model_se.pth", "model_se.pth.tar", "speakers.pth")  # of speakers, beside it

Progress = Callable[[str], None]
Item = Mapping[str, Any]  # what coqui-tts's list says about one model


@dataclass(frozen=True)
class ModelFiles:
    """The paths of a model and its configuration; of its vocoder's, if it needs one."""

    checkpoint: Path
    config: Path
    vocoder: Path | None = None
    vocoder_config: Path | None = None


def identity_of(files: ModelFiles) -> list[object]:
    """Tell a model's files from others without reading all of them. Raises OSError."""
    found: list[object] = []
    for path in (files.checkpoint, files.config, files.vocoder, files.vocoder_config):
        if path is not None and path.is_dir():
            found += [fingerprint(one) for one in sorted(path.rglob("*")) if one.is_file()]
        elif path is not None:
            found.append(fingerprint(path))
    return found


def local_files(checkpoint: str, config: str | None) -> ModelFiles:
    """Find a model of the user's own. Raises EngineUnavailable if it is not there."""
    model = Path(checkpoint)
    beside = Path(config) if config else model.parent / "config.json"
    for path, setting in ((model, "checkpoint"), (beside, "checkpoint_config")):
        if not path.is_file():
            raise EngineUnavailable(f"{path} does not exist", f"correct coqui.{setting}")
    return ModelFiles(model, beside)


def downloaded_files(name: str, folder: Path) -> ModelFiles | None:
    """Find a model of coqui-tts's list where it was downloaded to, without coqui-tts.

    None also if it is elsewhere, or seems not to be whole: `named_files` knows.
    """
    there = folder / "tts" / name.replace("/", "--")
    if not there.is_dir() or find_fault(there):
        return None
    checkpoints = [path for path in _checkpoints(there) if path.name not in _NOT_THE_MODEL]
    return ModelFiles(checkpoints[0], there / "config.json") if len(checkpoints) == 1 else None


def named_files(name: str, folder: Path, *, agreed: bool, progress: Progress) -> ModelFiles:
    """Find a model of coqui-tts's list, or download it below `folder`. Raises EngineUnavailable."""
    from TTS.utils.manage import ModelManager

    manager = ModelManager(output_prefix=folder)
    known = flatten(manager.models_dict)
    item = check(name, known, agreed=agreed)
    try:
        model = _one(manager, name, item, progress)
        vocoder = item.get("default_vocoder")
        if not vocoder:
            return ModelFiles(*model)
        return ModelFiles(*model, *_one(manager, vocoder, known[vocoder], progress))
    except (OSError, ValueError, LookupError, zipfile.BadZipFile) as error:
        raise EngineUnavailable(
            f"{name} is not here and cannot be downloaded ({_brief(error)})",
            "connect this machine to the internet",
            passing=isinstance(error, OSError),
        ) from error


def _brief(error: Exception) -> str:
    """Say what went wrong without the nest of causes that requests puts into its message."""
    import requests

    if isinstance(error, requests.ConnectionError) and error.request is not None:
        return f"{urlsplit(str(error.request.url)).hostname} cannot be reached"
    return without_passwords(str(error) or type(error).__name__)[:200]


def flatten(models: Mapping[str, Any]) -> dict[str, Item]:
    """Turn the list {type: {language: {dataset: {model: item}}}} into items by full name."""
    return {
        "/".join((kind, language, dataset, model)): item
        for kind, languages in models.items()
        for language, datasets in languages.items()
        for dataset, items in datasets.items()
        for model, item in items.items()
    }


def check(name: str, known: Mapping[str, Item], *, agreed: bool) -> Item:
    """Look a model up. Raises EngineUnavailable if it is unknown or must not be used."""
    spoken = [other for other in known if other.startswith("tts_models/")]
    if name not in spoken:
        near = difflib.get_close_matches(name, spoken, n=1, cutoff=0.0)
        raise EngineUnavailable(
            f"coqui-tts has no model {name!r}",
            f"did you mean {near[0]!r}? Correct coqui.models" if near else "correct coqui.models",
        )
    if name.endswith("/bark"):
        raise EngineUnavailable(f"{name} is stored as code that loading it would run", "take XTTS")
    if known[name].get("tos_required") and not agreed:
        raise EngineUnavailable(
            f"{name} asks you to accept its licence ({known[name].get('license')})",
            "read https://tts-hub.github.io/cpml, then set coqui.agree_to_licence: true",
        )
    return known[name]


def _one(manager: Any, name: str, item: Item, progress: Progress) -> tuple[Path, Path]:
    """Return the paths of the model and its configuration, downloaded if need be.

    Raises OSError, ValueError, LookupError or BadZipFile.
    """
    if "repo_id" in item:  # the hub's own downloads have time limits and are whole or nothing
        progress(f"Downloading {name} from {item['repo_id']}")
    else:
        folder = Path(manager.output_prefix) / name.replace("/", "--")
        if folder.is_dir() and (fault := find_fault(folder)):
            _LOGGER.warning("%s is removed and downloaded again: %s", folder, fault)
            shutil.rmtree(folder)
        if not folder.is_dir():
            download(item["github_rls_url"], folder, lambda so_far: progress(f"{name}: {so_far}"))
    checkpoint, config, _ = manager.download_model(name)
    return Path(checkpoint), Path(config)


def _checkpoints(folder: Path) -> list[Path]:
    """Return PyTorch's files, in one order on all machines."""
    return sorted(folder.rglob("*.pt*"))


def find_fault(folder: Path) -> str:
    """Say why a model's folder cannot be whole, as a download that was cut off leaves it, or ""."""
    if left := next((path for path in folder.iterdir() if path.suffix in (".zip", ".part")), None):
        return f"{left.name} was not unpacked to its end"
    if not (folder / "config.json").is_file():
        return "config.json is missing"
    checkpoints = _checkpoints(folder)
    if not checkpoints:
        return "the model's file is missing"
    for checkpoint in checkpoints:
        with checkpoint.open("rb") as file:
            head = file.read(2)
        if not head or (head == b"PK" and not zipfile.is_zipfile(checkpoint)):
            return f"{checkpoint.name} is cut off"
    return ""


def download(url: str, folder: Path, progress: Progress) -> None:
    """Unpack the zip archive at `url`, flat, into `folder`, which appears when all is there.

    Raises OSError (also when no byte comes for STALL_SECONDS) or BadZipFile.
    """
    part = folder.with_name(folder.name + ".part")
    if part.exists():
        _LOGGER.warning("The last download of %s was cut off: it starts anew", folder.name)
        shutil.rmtree(part)
    part.mkdir(parents=True)
    try:
        archive = part / "archive.zip"
        _fetch(url, archive, progress)
        progress("unpacking")
        with zipfile.ZipFile(archive) as content:
            for entry in content.infolist():
                if not entry.is_dir():
                    entry.filename = Path(entry.filename).name  # so nothing leads out of `part`
                    content.extract(entry, part)
        archive.unlink()
        part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _fetch(url: str, file: Path, progress: Progress) -> None:
    import requests

    timeout = (CONNECT_SECONDS, STALL_SECONDS)
    with requests.get(url, stream=True, timeout=timeout) as answer, file.open("wb") as out:
        answer.raise_for_status()
        total = int(answer.headers.get("content-length", 0))
        require_room(file.parent, 2 * total, f"{file.parent.stem} and its archive")
        told = 0.0
        for chunk in answer.iter_content(_CHUNK_BYTES):
            out.write(chunk)
            if time.monotonic() - told >= PROGRESS_SECONDS:
                told = time.monotonic()
                of_all = f" of {total / 1e6:.0f}" if total else ""
                progress(f"downloaded {out.tell() / 1e6:.0f}{of_all} MB")
