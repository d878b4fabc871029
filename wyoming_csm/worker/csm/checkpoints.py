"""Where CSM's weights are: a local folder or one of the hub's, an adapter's base found likewise."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from wyoming_csm.config import CsmConfig
from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.model.checkpoint import adapter, foreign
from wyoming_csm.model.checkpoint.files import read_json
from wyoming_csm.worker.csm.hub import Place, fetch, take_token

_IN_A_CACHE = re.compile(r"models--([^/\\]+)--([^/\\]+)")  # how the hub's cache names a folder


class Found(NamedTuple):
    """Where the weights are, and the adapter that is to be merged into them."""

    folder: Path
    adapter: Path | None = None


def find_checkpoint(config: CsmConfig, models_dir: Path, progress: Callable[[str], None]) -> Found:
    """Downloaded if need be (minutes). Raises EngineUnavailable, CheckpointError."""
    token = take_token(config)

    def find(place: Place) -> Found:
        local = Path(place.name).expanduser()
        if local.is_dir():
            return _look_at(local)
        if place.name.startswith((".", "/", "~")) or place.name.count("/") != 1:
            raise EngineUnavailable(
                f"there is no folder {place.name!r}",
                f"set {place.setting} to a folder that exists or to a hub name like sesame/csm-1b",
            )
        return _look_at(fetch(place, models_dir, token, progress))

    found = find(Place(config.checkpoint, config.revision))
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
    """A local folder as what it is. Raises EngineUnavailable for what cannot be spoken with."""
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


def _base_of(folder: Path) -> Place:
    """What an adapter is to be merged into, as its adapter_config.json says."""
    config = adapter.read_config(folder)
    name, revision = config.get("base_model_name_or_path"), config.get("revision")
    setting = f"base_model_name_or_path in {folder / adapter.CONFIG}"
    if not isinstance(name, str) or not name:
        raise EngineUnavailable(
            f"the adapter in {folder} does not say what its base is", f"set {setting}"
        )
    cached = _IN_A_CACHE.search(name)
    if name.startswith(".") and (folder / name).is_dir():
        name = str(folder / name)
    elif cached and not Path(name).is_dir():  # of the machine that trained it
        name = f"{cached[1]}/{cached[2]}"
    return Place(
        name,
        revision if isinstance(revision, str) else None,
        setting,
        f"revision in {folder / adapter.CONFIG}",
    )
