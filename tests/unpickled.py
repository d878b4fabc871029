"""What a child process unpickles, whoever in it does: told by an audit hook that starts with it."""

import json
import os
from pathlib import Path

import numpy as np

_HOOK = """
import os, sys

def tell(event, args, to=os.open({path!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)):
    if event == "pickle.find_class":
        os.write(to, "{{}}.{{}}\\n".format(*args).encode())

sys.addaudithook(tell)
"""


def listen(folder: Path) -> Path:
    """Write what a child with `folder` in its PYTHONPATH begins with; return the file in which
    stands, once it began, each name that something was to be unpickled by."""
    path = folder / "unpickled"
    (folder / "sitecustomize.py").write_text(_HOOK.format(path=str(path)))
    return path


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self._folder),)


def hostile_model(folder: Path, bomb: Path) -> Path:
    """Make a model of Coqui's whose configuration names statistics that are a bomb; return it."""
    folder.mkdir()
    statistics = np.array({"mel_mean": Bomb(bomb)}, dtype=object)
    np.save(folder / "stats.npy", statistics, allow_pickle=True)
    audio = {"signal_norm": True, "stats_path": str(folder / "stats.npy")}
    (folder / "config.json").write_text(json.dumps({"model": "glow_tts", "audio": audio}))
    (folder / "model.pth").write_bytes(b"never read")
    return folder / "model.pth"
