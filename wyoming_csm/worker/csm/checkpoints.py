"""Where CSM's weights are: a local folder, or one fetched from the hub; an adapter's base likewise.

Every way to fail names its cure.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from wyoming_csm.config import CsmConfig
from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.model.checkpoint import adapter, foreign
from wyoming_csm.model.checkpoint.files import read_json
from wyoming_csm.worker.csm.hub import CheckpointName, Progress, fetch

_IN_A_CACHE = re.compile(r"models--([^/\\]+)--([^/\\]+)")  # how the hub's cache names a folder


class Found(NamedTuple):
    """A folder with weights, and the adapter that is to be merged into them."""

    folder: Path
    adapter: Path | None = None


Fetch = Callable[[CheckpointName, Path, str | None, Progress], Path]


def find_checkpoint(
    config: CsmConfig, models_dir: Path, progress: Progress, fetch: Fetch = fetch
) -> Found:
    """Find the configured checkpoint, downloaded if need be (minutes); with `hub.look` to `fetch`
    nothing is downloaded. Raises EngineUnavailable, CheckpointError."""
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
        return _look_at(fetch(wanted, models_dir, token, progress))

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
