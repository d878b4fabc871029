"""Files that spare some work another time: written whole or not at all, damaged is as absent, the
oldest go."""

import fcntl
import hashlib
import logging
import os
import secrets
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

from wyoming_csm.errors import ABSENT, CheckpointError, EngineUnavailable

_LOGGER = logging.getLogger(__name__)
_T = TypeVar("_T")
# To tell files apart: small ones are read whole, of large ones so many samples.
SMALL_BYTES = 2**20
_SAMPLES, _SAMPLE_BYTES = 256, 64
_SPARE_BYTES = 200_000_000  # that a download leaves free
_ABANDONED_SECONDS = 120.0  # behind the newest file: whoever writes a part adds to it all the time
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class DiskCache:
    """Files in a folder, each named by what it was made from: nothing needs to be invalidated.

    Several machines may share the folder: a file is written beside its place, under a name that
    they do not share, since a lock may count for one machine's processes only, or not exist.
    """

    def __init__(
        self,
        folder: Path,
        suffix: str,
        most: int | None = None,
        most_bytes: int | None = None,
        *,
        private: bool = False,
    ) -> None:
        """Take a folder that may not be there yet; of the files, those used or written last stay,
        at most so many, and of so many bytes in all. `private`: nobody else may read them."""
        self.folder = folder
        self._suffix, self._most, self._most_bytes = suffix, most, most_bytes
        self._private = private
        self._parts = f".{_this_kernel()}.part"  # what ends so is ours to lock
        self._complained = False  # that nothing can be stored
        self._told: set[int | None] = set()  # by which of its errors the disk gives nothing

    def path(self, key: str) -> Path:
        """Return where the file of this key is, if it is there."""
        return self.folder / f"{key}{self._suffix}"

    def read(self, path: Path, load: Callable[[Path], _T]) -> _T | None:
        """Return what `load` makes of a file; None if it is absent, cannot be read, or is damaged,
        and only then it goes.

        `load` raises ValueError, EOFError or CheckpointError for a file that is damaged; OSError,
        or one of these because of it, where the disk is to blame: that is logged once.
        """
        try:
            found = load(path)
        except (OSError, ValueError, EOFError, CheckpointError) as error:
            fault = error if isinstance(error, OSError) else error.__cause__
            if isinstance(fault, OSError):
                self._tell_unreadable(path, fault)
                return None
            _LOGGER.warning("%s is damaged and made anew: %s", path, error)
            with suppress(OSError):
                path.unlink()
            return None
        with suppress(OSError):  # a folder that is only to be read loses no file
            os.utime(path)  # which makes none, if another process removed it just now
        return found

    def holds(self, path: Path) -> bool:
        """Return whether a file is there, as far as the disk tells."""
        return os.path.isfile(path)  # Path's own raises OSError before Python 3.14

    def _tell_unreadable(self, path: Path, fault: OSError) -> None:
        if isinstance(fault, ABSENT):
            return
        level = logging.DEBUG if fault.errno in self._told else logging.WARNING
        _LOGGER.log(level, "%s cannot be read, and goes unused: %s", path, fault)
        self._told.add(fault.errno)

    def write(self, path: Path, chunks: Iterable[bytes | memoryview]) -> Iterator[None]:
        """Write a file anew, and yield after each chunk; it is there once this ends, not before.

        Do nothing while another process, or thread, writes the same. A failure is logged, once
        until one succeeds: the work is done again next time.
        """
        try:
            with self._new(path) as file:
                for chunk in chunks:
                    file.write(chunk)
                    yield
        except BlockingIOError:
            return
        except OSError as error:
            level = logging.DEBUG if self._complained else logging.WARNING
            _LOGGER.log(level, "%s cannot be stored for another time: %s", path, error)
            self._complained = True
        else:
            self._complained = False

    @contextmanager
    def _new(self, path: Path) -> Iterator[BinaryIO]:
        self.folder.mkdir(0o700 if self._private else 0o777, parents=True, exist_ok=True)
        part, opened = self._open(path)
        with _placing(part, opened, path) as file:
            if self._private:
                os.fchmod(file.fileno(), 0o600)
            yield file
        self._clean()

    def _open(self, path: Path) -> tuple[Path, BinaryIO]:
        """Open an empty file beside this one that no other process writes. Raises OSError;
        BlockingIOError if one here writes the same."""
        part = path.with_name(path.name + self._parts)  # what a process that was killed left, too
        file: BinaryIO = part.open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(file.fileno()), part.stat()):
                raise BlockingIOError(f"{path} was written just now")
            file.truncate(0)
        except OSError as error:
            file.close()
            if isinstance(error, BlockingIOError):
                raise
            # A disk without locks: what two write at once, the last has written.
            part, file = _open_new(path)
        return part, file

    def _clean(self) -> None:
        files: list[tuple[int, int, Path]] = []
        for path in self.folder.iterdir():
            if path.suffix == self._suffix:
                with suppress(FileNotFoundError):  # another process cleans, too
                    found = path.stat()
                    files.append((found.st_mtime_ns, found.st_size, path))
        files.sort(reverse=True)
        size = 0
        for number, (_, one, path) in enumerate(files):
            size += one
            many = self._most is not None and number >= self._most
            if many or (self._most_bytes is not None and size > self._most_bytes):
                path.unlink(missing_ok=True)
        newest = files[0][0] / 1e9 if files else 0.0
        for path in self.folder.glob(f"*{self._suffix}.*part"):
            with suppress(OSError):
                if path.name.endswith(self._parts):
                    with path.open("ab") as file:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        path.unlink()
                elif newest - path.stat().st_mtime > _ABANDONED_SECONDS:
                    path.unlink()


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file anew, all at once, whoever else writes it. Raises OSError."""
    with _placing(*_open_new(path), path) as file:
        file.write(content)


def _open_new(path: Path) -> tuple[Path, BinaryIO]:
    """Open a file beside this one that nobody else has. Raises OSError."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")
    return part, part.open("xb")


@contextmanager
def _placing(part: Path, opened: BinaryIO, path: Path) -> Iterator[BinaryIO]:
    """Let what is written into a part be the file at `path`, or nothing of it."""
    with opened as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())  # whole even if the power fails
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def _this_kernel() -> str:
    """Name what a lock surely counts for: the processes of one kernel, in all its containers.

    Names of hosts and numbers of processes are alike in containers, as 1 is.
    """
    try:
        found = _BOOT_ID.read_text(encoding="ascii")
    except OSError:
        found = socket.gethostname()
    return hashlib.sha256(found.encode()).hexdigest()[:8]


def fingerprint(path: Path) -> list[object]:
    """Tell a file from others of its name without reading gigabytes."""
    found, digest = path.stat(), hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        digest.update(file.read(SMALL_BYTES))
        if found.st_size <= SMALL_BYTES:
            return [path.name, digest.hexdigest()]
        for sample in range(_SAMPLES):
            file.seek(found.st_size * sample // _SAMPLES)
            digest.update(file.read(_SAMPLE_BYTES))
    return [path.name, found.st_size, found.st_mtime_ns, digest.hexdigest()]


def compiled_folder(data_dir: Path, device: str) -> Path:
    """Return where compilers store what they make for a device, named as in csm.device.

    Each device has a folder of its own, which its process may have to empty.
    """
    name = "cuda:0" if device in ("auto", "cuda") else device
    return data_dir / "compiled" / name.replace(":", "-")


def store_compiled(data_dir: Path, device: str) -> None:
    """Make compilers store what they build in the data folder, unless the user says where.

    Call it before torch is imported: in a container nothing else outlives a restart.
    """
    folder = compiled_folder(data_dir, device).absolute()
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder))
    os.environ.setdefault("TRITON_CACHE_DIR", str(folder / "triton"))


def require_room(folder: Path, needed: int, what: str) -> None:
    """Raise EngineUnavailable unless so many bytes, and some more, are free on a folder's disk."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if needed and free < needed + _SPARE_BYTES:
        raise EngineUnavailable(
            f"{what} need {(needed + _SPARE_BYTES) / 1e9:.1f} GB on the disk of {folder},"
            f" {free / 1e9:.1f} GB are free",
            "make room, or set download_dir to a folder on another disk",
            passing=True,
        )
