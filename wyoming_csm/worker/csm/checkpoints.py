"""Where CSM's weights are: a local folder, or one fetched from the hub; an adapter's base likewise.

Every way to fail names its cure.
"""

import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from wyoming_csm.config import CsmConfig
from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.model.checkpoint import adapter, foreign
from wyoming_csm.model.checkpoint.files import read_json

# Some repositories (sesame/csm-1b) hold the weights twice more, in other layouts: only the files
# that config.json's `transformers_weights` or the standard index name are fetched.
_SMALL_FILES = ["*.json", "*.jinja"]
_DEFAULT_WEIGHTS = "model.safetensors"
_OPEN_COPIES = {"sesame/csm-1b": "unsloth/csm-1b"}  # the same weights, free to fetch
PROGRESS_SECONDS = 10.0  # a child that downloads for long without a word is taken for hung
_IN_A_CACHE = re.compile(r"models--([^/\\]+)--([^/\\]+)")  # how the hub's cache names a folder


@dataclass(frozen=True)
class CheckpointName:
    """A local folder or a repository of the hub, and which settings name it."""

    name: str
    revision: str | None
    setting: str = "csm.checkpoint"
    revision_setting: str = "csm.revision"


class Found(NamedTuple):
    """A folder with weights, and the adapter that is to be merged into them."""

    folder: Path
    adapter: Path | None = None


def find_checkpoint(config: CsmConfig, models_dir: Path, progress: Callable[[str], None]) -> Found:
    """Find the configured checkpoint, downloaded if need be (minutes). Raises EngineUnavailable,
    CheckpointError."""
    token = take_token(config)

    def find(wanted: CheckpointName) -> Found:
        local = Path(wanted.name).expanduser()
        if local.is_dir():
            return _look_at(local)
        if wanted.name.startswith((".", "/", "~")) or wanted.name.count("/") != 1:
            raise EngineUnavailable(
                f"there is no folder {wanted.name!r}",
                f"set {wanted.setting} to a folder that exists or to a hub name like sesame/csm-1b",
            )
        return _look_at(_fetch(wanted, models_dir, token, progress))

    found = find(CheckpointName(config.checkpoint, config.revision))
    if found.adapter is None:
        return found
    base = find(_base_of(found.adapter))
    if base.adapter is not None:
        raise EngineUnavailable(
            f"the base of the adapter {config.checkpoint} is an adapter, too",
            "merge the two where they were trained (merge_and_unload) and use that folder",
        )
    return Found(base.folder, found.adapter)


def _look_at(folder: Path) -> Found:
    """Tell a checkpoint from an adapter. Raises EngineUnavailable for anything else."""
    config = read_json(folder / "config.json", default={})
    named = str(config.get("transformers_weights") or "model.safetensors")
    has_weights = any((folder / name).is_file() for name in (named, f"{named}.index.json"))
    if not has_weights and adapter.is_adapter(folder):
        return Found(folder, folder)
    other = foreign.of_config(config) if config else None
    if other is None and not (has_weights and config):
        other = foreign.of_files([path.name + "/" * path.is_dir() for path in folder.iterdir()])
    if other is not None:
        raise EngineUnavailable(f"{folder} holds {other.what}", other.cure)
    return Found(folder)


def _base_of(folder: Path) -> CheckpointName:
    config, path = adapter.read_config(folder), folder / adapter.CONFIG
    name, revision = config.get("base_model_name_or_path"), config.get("revision")
    setting = f"base_model_name_or_path in {path}"
    if not isinstance(name, str) or not name:
        raise EngineUnavailable(
            f"the adapter in {folder} does not say what its base is", f"set {setting}"
        )
    cached = _IN_A_CACHE.search(name)
    if name.startswith(".") and (folder / name).is_dir():
        name = str(folder / name)
    elif cached and not Path(name).is_dir():  # of the machine that trained it
        name = f"{cached[1]}/{cached[2]}"
    revision = revision if isinstance(revision, str) else None
    return CheckpointName(name, revision, setting, f"revision in {path}")


def _fetch(
    wanted: CheckpointName, models_dir: Path, token: str | None, progress: Callable[[str], None]
) -> Path:
    """Return the folder with a repository's checkpoint or adapter, downloaded if need be. Raises
    EngineUnavailable, for what cannot be spoken with, too."""
    from huggingface_hub import constants, errors

    name, page = wanted.name, f"https://huggingface.co/{wanted.name}"
    try:
        try:
            return _download(wanted, models_dir, token)
        except OSError as error:  # not here yet, or not whole
            if constants.HF_HUB_OFFLINE:
                raise EngineUnavailable(
                    f"the weights {name} are not here and HF_HUB_OFFLINE forbids to fetch them",
                    f"unset it, or set {wanted.setting} to a folder with the weights",
                ) from error
            progress(f"downloading {name} to {models_dir}")
            return _download(wanted, models_dir, token, _bars_that_tell(name, progress))
    except errors.GatedRepoError as error:
        copy = _OPEN_COPIES.get(name)
        or_a_copy = f"; or set csm.checkpoint to {copy}, a copy that needs no token" if copy else ""
        raise EngineUnavailable(
            f"the weights {name} are given only to those who accepted their licence",
            f"accept it at {page}, then give your token (https://huggingface.co/settings/tokens)"
            f" as HF_TOKEN or in the file csm.token_file names{or_a_copy}",
        ) from error
    except errors.RevisionNotFoundError as error:
        raise EngineUnavailable(
            f"{name} has no revision {wanted.revision!r}",
            f"correct {wanted.revision_setting}; see {page}",
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise EngineUnavailable(
            f"the hub knows no {name}, or does not show it to you",
            f"correct {wanted.setting}, or give a token that may read it as HF_TOKEN",
        ) from error
    except errors.HFValidationError as error:
        raise EngineUnavailable(
            f"{name!r} is no name the hub could have", f"correct {wanted.setting}"
        ) from error
    except (
        OSError,  # of the network, the disk and the hub
        RuntimeError,  # of its Xet client
        errors.HTTPError,  # type: ignore[attr-defined, unused-ignore]  # httpx's, since 2.0 httpx2's
    ) as error:
        raise EngineUnavailable(
            f"the weights {name} could not be fetched ({_first_line(error)})",
            "check the network and the free disk space; the next try goes on where this stopped",
            passing=True,
        ) from error


def _download(
    wanted: CheckpointName, models_dir: Path, token: str | None, bars: Any = None
) -> Path:
    """Fetch the small files, which say what the weights' files are called, then those.

    `bars`: the class of the bars that show the download; without one only this disk is looked at.
    """
    from huggingface_hub import list_repo_files, snapshot_download

    def snapshot(patterns: list[str]) -> Path:
        found = snapshot_download(
            wanted.name,
            revision=wanted.revision,
            cache_dir=models_dir,
            token=token or False,
            local_files_only=bars is None,
            allow_patterns=patterns,
            tqdm_class=bars,
        )
        return Path(found)

    folder = snapshot(_SMALL_FILES)
    weights = _weight_files(folder, wanted.name)
    folder = snapshot([*_SMALL_FILES, *weights, adapter.WEIGHTS])
    missing = [name for name in weights if not (folder / name).is_file()]
    if (weights and not missing) or adapter.is_adapter(folder):
        return folder
    if bars is not None:
        names = list_repo_files(wanted.name, revision=wanted.revision, token=token or False)
        if not set(names) & {*weights, adapter.WEIGHTS}:
            other = foreign.of_files(names)
            raise EngineUnavailable(f"{wanted.name} holds {other.what}", other.cure)
    raise FileNotFoundError(f"{', '.join(missing) or 'config.json'} missing in {wanted.name}")


def _weight_files(folder: Path, name: str) -> list[str]:
    """List the files that hold the weights in transformers' layout, by the folder's small files.
    There are none without a config.json. Raises EngineUnavailable if it is another model's."""
    if not (folder / "config.json").is_file():
        return []
    try:
        config = json.loads((folder / "config.json").read_bytes())
        other = None if (folder / adapter.CONFIG).is_file() else foreign.of_config(config)
        if other is not None:
            raise EngineUnavailable(f"{name} holds {other.what}", other.cure)
        named = config.get("transformers_weights")
        index = folder / (named or f"{_DEFAULT_WEIGHTS}.index.json")
        if index.suffix == ".json" and index.is_file():
            names = set(json.loads(index.read_bytes())["weight_map"].values())
            return sorted(Path(name).name for name in names)  # never outside the folder
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise EngineUnavailable(
            f"{folder} has no usable config.json or index ({_first_line(error)})",
            "remove the folder and start again, or choose another checkpoint",
        ) from error
    return [Path(named or _DEFAULT_WEIGHTS).name]


def _bars_that_tell(name: str, progress: Callable[[str], None]) -> Any:
    """Make the hub's progress bars tell how far they are, seldom enough for a log."""
    from huggingface_hub.utils import tqdm  # type: ignore[attr-defined, unused-ignore]

    told = time.monotonic()

    class Bar(tqdm):  # type: ignore[misc, type-arg, unused-ignore]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call, unused-ignore]
            self.is_of_bytes = kwargs.get("unit") == "B"
            self.so_far = 0.0  # a bar that is not shown does not count

        def update(self, n: float | None = 1) -> bool | None:
            nonlocal told
            self.so_far += n or 0
            if self.is_of_bytes and time.monotonic() - told >= PROGRESS_SECONDS:
                told = time.monotonic()
                progress(f"downloading {name}: {self.so_far / 1e6:.0f} MB")
            return super().update(n)  # type: ignore[no-any-return, unused-ignore]

    return Bar


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]


def take_token(config: CsmConfig) -> str | None:
    """Take the hub's token from its file or the environment, which then forgets it. Raises
    EngineUnavailable."""
    found, where = os.environ.pop("HF_TOKEN", ""), "HF_TOKEN"
    secret = os.environ.pop("HF_TOKEN_PATH", "")  # the hub's own variable; in Docker, a secret's
    file, named_by = config.token_file, "csm.token_file"
    if file is None and not found:
        file, named_by = secret, "HF_TOKEN_PATH"
    if file:
        where = named_by
        try:
            found = Path(file).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise EngineUnavailable(
                f"the token's file cannot be read: {why}", f"correct {where}"
            ) from error
    token = found.strip()
    if not re.fullmatch("[!-~]*", token):  # the HTTP library would show it in its complaint
        raise EngineUnavailable(
            "the hub's token holds a blank or a character that no token has", f"correct {where}"
        )
    return token or None
