"""A repository of the model hub: fetched, or only looked at. Every way to fail names its cure."""

import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wyoming_csm.disk_cache import require_room
from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.logs import without_passwords
from wyoming_csm.model.checkpoint import adapter, foreign
from wyoming_csm.worker.csm.resumed import bytes_here, fetch_resumed

# Some repositories (sesame/csm-1b) hold the weights twice more, in other layouts: only the files
# that config.json's `transformers_weights` or the standard index name are fetched.
_SMALL_FILES = ["*.json", "*.jinja"]
_DEFAULT_WEIGHTS = "model.safetensors"
_OPEN_COPIES = {"sesame/csm-1b": "unsloth/csm-1b"}  # the same weights, free to fetch
PROGRESS_SECONDS = 10.0  # a child that downloads for long without a word is taken for hung

Progress = Callable[[str], None]


@dataclass(frozen=True)
class CheckpointName:
    """A local folder or a repository of the hub, and which settings name it."""

    name: str
    revision: str | None
    setting: str = "csm.checkpoint"
    revision_setting: str = "csm.revision"


def fetch(
    wanted: CheckpointName,
    models_dir: Path,
    token: str | None,
    progress: Progress,
    every: float | None = None,
) -> Path:
    """Return the folder with a repository's checkpoint or adapter, downloaded if need be;
    `progress` is told each `every` seconds, by default seldom enough for a log. Raises
    EngineUnavailable, for what cannot be spoken with, too."""
    every = PROGRESS_SECONDS if every is None else every
    with _in_words(wanted):
        try:
            return _download(wanted, models_dir, token)
        except OSError as error:  # not here yet, or not whole
            _refuse_if_offline(wanted, error)
            progress(f"downloading {wanted.name} to {models_dir}")
            return _download(wanted, models_dir, token, progress, every)


def look(
    wanted: CheckpointName, models_dir: Path, token: str | None, _progress: Progress = print
) -> Path:
    """Return the folder if it is here. Raises NotHere if it may be fetched, else
    EngineUnavailable."""
    from huggingface_hub import errors, get_hf_file_metadata, hf_hub_url

    with _in_words(wanted):
        try:
            return _download(wanted, models_dir, token)
        except OSError as error:
            _refuse_if_offline(wanted, error)
        url = hf_hub_url(wanted.name, "config.json", revision=wanted.revision)
        with suppress(errors.EntryNotFoundError):  # an adapter has none; its licence was asked for
            get_hf_file_metadata(url, token=token or False)
    raise NotHere(
        f"the weights {wanted.name} are not here yet",
        "`wyoming-csm download csm` fetches them, or the server when it starts",
        passing=True,
    )


class NotHere(EngineUnavailable):
    """Weights that may be fetched have not been."""


def _refuse_if_offline(wanted: CheckpointName, error: OSError) -> None:
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise EngineUnavailable(
            f"the weights {wanted.name} are not here and HF_HUB_OFFLINE forbids to fetch them",
            f"unset it, or set {wanted.setting} to a folder with the weights",
        ) from error


@contextmanager
def _in_words(wanted: CheckpointName) -> Iterator[None]:
    """Turn what the hub's library raises into EngineUnavailable, each with its cure."""
    from huggingface_hub import errors

    logging.getLogger("huggingface_hub").handlers.clear()  # its lines come by ours, too
    name, page = wanted.name, f"https://huggingface.co/{wanted.name}"
    try:
        yield
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
    wanted: CheckpointName,
    models_dir: Path,
    token: str | None,
    progress: Progress | None = None,
    every: float = 0.0,
) -> Path:
    """Fetch the small files, which say what the weights' files are called, then those.

    `progress` is told of the download; without it only this disk is looked at. Raises
    EngineUnavailable where there is too little room.
    """
    from huggingface_hub import list_repo_files, snapshot_download

    bars = None if progress is None else _bars_that_tell(wanted.name, progress, every)

    def snapshot(patterns: list[str]) -> Path:
        found = snapshot_download(
            wanted.name,
            revision=wanted.revision,
            cache_dir=models_dir,
            token=token or False,
            local_files_only=progress is None,
            allow_patterns=patterns,
            tqdm_class=bars,
        )
        return Path(found)

    folder = snapshot(_SMALL_FILES)
    weights = _weight_files(folder, wanted.name)
    if progress is not None:
        missing = [one for one in (*weights, adapter.WEIGHTS) if not (folder / one).is_file()]
        _fetch_weights(wanted, folder, missing, token, progress, every)
    folder = snapshot([*_SMALL_FILES, *weights, adapter.WEIGHTS])
    missing = [name for name in weights if not (folder / name).is_file()]
    if (weights and not missing) or adapter.is_adapter(folder):
        return folder
    if progress is not None:
        names = list_repo_files(wanted.name, revision=wanted.revision, token=token or False)
        if not set(names) & {*weights, adapter.WEIGHTS}:
            other = foreign.of_files(names)
            raise EngineUnavailable(f"{wanted.name} holds {other.what}", other.cure)
    raise FileNotFoundError(f"{', '.join(missing) or 'config.json'} missing in {wanted.name}")


def _fetch_weights(
    wanted: CheckpointName,
    folder: Path,
    names: Sequence[str],
    token: str | None,
    progress: Progress,
    every: float,
) -> None:
    """Fetch those files of a repository that it has and that are large, each from where it was cut
    off, into the cache of the snapshot in `folder`. Raises EngineUnavailable: there is no room."""
    from huggingface_hub import hf_hub_url

    sizes = {name: size for name, size in _sizes(wanted, token).items() if name in names}
    blobs, total = folder.parent.parent / "blobs", sum(sizes.values())
    what = f"the weights {wanted.name}"
    require_room(folder, total - bytes_here(blobs), what)
    before = 0

    def told(so_far: int) -> None:
        mb = f"{(before + so_far) / 1e6:.0f} of {total / 1e6:.0f} MB"
        progress(f"downloading {wanted.name}: {mb}")

    for name, size in sizes.items():
        url = hf_hub_url(wanted.name, name, revision=folder.name)
        fetch_resumed(url, blobs, token, told, every)
        before += size


def _sizes(wanted: CheckpointName, token: str | None) -> dict[str, int]:
    """Return the bytes of each file of a repository, as the hub tells them."""
    from huggingface_hub import list_repo_tree

    found = list_repo_tree(wanted.name, revision=wanted.revision, token=token or False)
    return {one.path: one.size for one in found if hasattr(one, "size")}


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


def _bars_that_tell(name: str, progress: Progress, every: float) -> Any:
    """Make the hub's progress bars tell how far they are."""
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
            if self.is_of_bytes and time.monotonic() - told >= every:
                told = time.monotonic()
                progress(f"downloading {name}: {self.so_far / 1e6:.0f} MB")
            return super().update(n)  # type: ignore[no-any-return, unused-ignore]

    return Bar


def _first_line(error: BaseException) -> str:
    return without_passwords(str(error) or type(error).__name__).splitlines()[0][:200]
