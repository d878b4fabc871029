"""What an app does on its way to become its program: another user, and one script beside."""

import os
import pwd
import sys
from collections.abc import Iterable
from pathlib import Path

USER = "speaker"  # of the images; elsewhere the user stays


def become_user(folders: Iterable[Path] = ()) -> None:
    """Give the folders to the image's user, and be that user."""
    try:
        user = pwd.getpwnam(USER)
    except KeyError:
        return
    for top in folders:
        for folder, _, files in os.walk(top):
            for path in (folder, *(os.path.join(folder, file) for file in files)):
                os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)


def beside(script: Path, *words: str) -> None:
    """Run a script that is no child of this process: its end is seen by the container's init."""
    if child := os.fork():
        os.waitpid(child, 0)
    elif os.fork():
        os._exit(0)
    else:
        os.execv(sys.executable, [sys.executable, str(script), *words])
