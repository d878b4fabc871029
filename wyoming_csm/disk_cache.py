"""Files that spare a later start some work: written whole or not at all, the oldest go."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


class DiskCache:
    """Files in a folder, each named by what it was made from: nothing needs to be invalidated."""

    def __init__(self, folder: Path, suffix: str, most: int) -> None:
        """`most`: files that stay, those that were used or written last."""
        self.folder = folder
        self._suffix, self._most = suffix, most

    def path(self, key: str) -> Path:
        """Where the file of this key is, if it is there."""
        return self.folder / f"{key}{self._suffix}"

    def use(self, path: Path) -> None:
        """It served: others go before it."""
        with suppress(OSError):  # in a folder that is only to be read none goes
            path.touch()

    @contextmanager
    def new(self, path: Path) -> Iterator[BinaryIO]:
        """Write a file anew: it is there once this ends, and not before, even if the power fails.

        Raises OSError; BlockingIOError while another process, or thread, writes the same.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")  # what a process that was killed left, too
        with part.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(file.fileno()), part.stat()):
                raise BlockingIOError(f"{path} was written just now")
            try:
                file.truncate(0)
                yield file
                file.flush()
                os.fsync(file.fileno())
                part.replace(path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
        self._clean()

    def _clean(self) -> None:
        files = [path for path in self.folder.iterdir() if path.suffix == self._suffix]
        files.sort(key=lambda path: path.stat().st_mtime_ns)
        for path in files[: -self._most]:
            path.unlink(missing_ok=True)
        for path in self.folder.glob(f"*{self._suffix}.part"):
            with suppress(OSError), path.open("ab") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
