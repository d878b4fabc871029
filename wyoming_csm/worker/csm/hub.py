"""Files of the hub, fetched to a local folder: just those that serve, or an exact cure."""

import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wyoming_csm.config import CsmConfig
from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.model.checkpoint import adapter, foreign

# Some repositories (sesame/csm-1b) hold the weights twice more, in other layouts: only the files
# that config.json's `transformers_weights` or the standard index name are fetched.
_SMALL_FILES = ["*.json", "*.jinja"]
_DEFAULT_WEIGHTS = "model.safetensors"
_OPEN_COPIES = {"sesame/csm-1b": "unsloth/csm-1b"}  # the same weights, for which nobody is asked
PROGRESS_SECONDS = 10.0  # a child that downloads for long without a word is taken for hung


@dataclass(frozen=True)
class Place:
    """A repository, and which settings are to be corrected if it is not there."""

    name: str
    revision: str | None
    setting: str = "csm.checkpoint"
    revision_setting: str = "csm.revision"


def fetch(
    place: Place, models_dir: Path, token: str | None, progress: Callable[[str], None]
) -> Path:
    """The folder with a repository's checkpoint or adapter, downloaded if need be (minutes).

    Raises EngineUnavailable, for what cannot be spoken with, too.
    """
    from huggingface_hub import constants, errors

    # Of the network, of the disk, and the hub's own. When a connection ends midway, its HTTP
    # library's (whichever that is by now) come through; its Xet client raises RuntimeError.
    faults: tuple[Any, ...] = (OSError, RuntimeError, *errors.HfHubHTTPError.__bases__)
    name, page = place.name, f"https://huggingface.co/{place.name}"
    try:
        try:
            return _fetch(place, models_dir, token)
        except OSError as error:  # not here yet, or not whole
            if constants.HF_HUB_OFFLINE:
                raise EngineUnavailable(
                    f"the weights {name} are not here and HF_HUB_OFFLINE forbids to fetch them",
                    f"unset it, or set {place.setting} to a folder with the weights",
                ) from error
            progress(f"downloading {name} to {models_dir}")
            return _fetch(place, models_dir, token, _bars_that_tell(name, progress))
    except errors.GatedRepoError as error:
        raise EngineUnavailable(
            f"the weights {name} are given only to who accepted their licence",
            f"accept it at {page}, then give your token (https://huggingface.co/settings/tokens)"
            f" as HF_TOKEN or in the file csm.token_file names{_or_a_copy(name)}",
        ) from error
    except errors.RevisionNotFoundError as error:
        raise EngineUnavailable(
            f"{name} has no revision {place.revision!r}",
            f"correct {place.revision_setting}; see {page}",
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise EngineUnavailable(
            f"the hub knows no {name}, or keeps it from you",
            f"correct {place.setting}, or give a token that may read it as HF_TOKEN",
        ) from error
    except errors.HFValidationError as error:
        raise EngineUnavailable(
            f"{name!r} is no name the hub could have", f"correct {place.setting}"
        ) from error
    except faults as error:
        raise EngineUnavailable(
            f"the weights {name} could not be fetched ({_first_line(error)})",
            "check the network and the free disk space; the next try goes on where this stopped",
            passing=True,
        ) from error


def _or_a_copy(name: str) -> str:
    copy = _OPEN_COPIES.get(name)
    return f"; or set csm.checkpoint to {copy}, a copy that needs no token" if copy else ""


def _fetch(place: Place, models_dir: Path, token: str | None, bars: Any = None) -> Path:
    """Both passes: the small files, which say what the weights' files are called, then those.

    `bars`: the class of the bars that show the download; without one only this disk is looked at.
    """
    from huggingface_hub import list_repo_files, snapshot_download

    def snapshot(patterns: list[str]) -> Path:
        found = snapshot_download(
            place.name,
            revision=place.revision,
            cache_dir=models_dir,
            token=token or False,
            local_files_only=bars is None,
            allow_patterns=patterns,
            tqdm_class=bars,
        )
        return Path(found)

    folder = snapshot(_SMALL_FILES)
    wanted = _weight_files(folder, place.name)
    folder = snapshot([*_SMALL_FILES, *wanted, adapter.WEIGHTS])
    missing = [name for name in wanted if not (folder / name).is_file()]
    if (wanted and not missing) or adapter.is_adapter(folder):
        return folder
    if bars is not None:
        names = list_repo_files(place.name, revision=place.revision, token=token or False)
        if not set(names) & {*wanted, adapter.WEIGHTS}:
            other = foreign.of_files(names)
            raise EngineUnavailable(f"{place.name} holds {other.what}", other.cure)
    raise FileNotFoundError(f"{', '.join(missing) or 'config.json'} missing in {place.name}")


def _weight_files(folder: Path, name: str) -> list[str]:
    """The files that hold the weights in transformers' layout, by the folder's small files.

    None without a config.json. Raises EngineUnavailable if it is another model's.
    """
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


def take_token(config: CsmConfig) -> str | None:
    """From the file or the environment, which then forgets it: it is for the download only."""
    found, where = os.environ.pop("HF_TOKEN", ""), "HF_TOKEN"
    if config.token_file is not None:
        where = "csm.token_file"
        try:
            found = Path(config.token_file).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise EngineUnavailable(
                f"the token's file cannot be read ({error})", "correct csm.token_file"
            ) from error
    token = found.strip()
    if not re.fullmatch("[!-~]*", token):  # the HTTP library would show it in its complaint
        raise EngineUnavailable(
            "the hub's token holds a blank or a character that no token has", f"correct {where}"
        )
    return token or None


def _bars_that_tell(name: str, progress: Callable[[str], None]) -> Any:
    """The hub's progress bars, which also tell how far they are, seldom enough for a log."""
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
