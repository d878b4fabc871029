"""Files on disk for the next start: whole or not at all, one writer at a time, the oldest go."""

import errno
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from wyoming_csm.disk_cache import DiskCache, compiled_folder, write_whole
from wyoming_csm.errors import CheckpointError


@pytest.fixture
def cache(tmp_path: Path) -> DiskCache:
    return DiskCache(tmp_path / "new" / "folder", ".bin", 2)


def write(cache: DiskCache, key: str, content: bytes = b"whole") -> Path:
    path = cache.path(key)
    for _ in cache.write(path, [content]):
        assert not path.exists() or path.read_bytes() != content
    return path


def names(cache: DiskCache) -> list[str]:
    return sorted(path.name for path in cache.folder.iterdir())


def failing() -> Iterator[bytes]:
    yield b"ha"
    raise OSError(28, "full")


def test_a_file_is_there_once_it_is_whole(
    cache: DiskCache, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(cache, "a")
    assert path.read_bytes() == b"whole"
    write(cache, "a", b"another")
    assert path.read_bytes() == b"another"
    assert list(cache.write(path, failing())) == [None]
    assert caplog.messages == [f"{path} cannot be stored for another time: [Errno 28] full"]
    assert path.read_bytes() == b"another"
    assert names(cache) == ["a.bin"]


def test_two_do_not_write_the_same(cache: DiskCache, caplog: pytest.LogCaptureFixture) -> None:
    writing = cache.write(cache.path("a"), [b"mine"])
    next(writing)
    assert list(cache.write(cache.path("a"), [b"another's"])) == []
    write(cache, "b")
    part, other = names(cache)
    assert (part[:6], part[-5:], other) == ("a.bin.", ".part", "b.bin"), "what is written stays"
    assert list(writing) == []
    assert cache.path("a").read_bytes() == b"mine"
    assert names(cache) == ["a.bin", "b.bin"]
    assert not caplog.messages


def test_a_damaged_file_is_as_absent(cache: DiskCache, caplog: pytest.LogCaptureFixture) -> None:
    def load(path: Path) -> bytes:
        if path.read_bytes() == b"half":
            raise CheckpointError("too short")
        return path.read_bytes()

    assert cache.read(cache.path("a"), load) is None
    assert not caplog.messages
    path = write(cache, "a", b"half")
    assert cache.read(path, load) is None
    assert caplog.messages == [f"{path} is damaged and made anew: too short"]
    assert names(cache) == []
    assert cache.read(write(cache, "a"), load) == b"whole"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.EMFILE, errno.ESTALE])
@pytest.mark.parametrize("wrapped", [False, True])
def test_what_the_disk_does_not_give_stays_and_is_told_once(
    cache: DiskCache, caplog: pytest.LogCaptureFixture, number: int, wrapped: bool
) -> None:
    def load(path: Path) -> bytes:
        fault = OSError(number, os.strerror(number))
        if wrapped:  # as the reader of weights says it
            raise CheckpointError("it cannot be read") from fault
        raise fault

    path = write(cache, "a")
    for _ in range(3):
        assert cache.read(path, load) is None
    assert path.exists()
    (said,) = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert said.getMessage().endswith(os.strerror(number))


def test_no_file_is_there_if_the_disk_does_not_even_tell(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / ("long" * 100), ".bin")  # as in a folder closed to us
    path = cache.path("a")
    assert cache.read(path, Path.read_bytes) is None
    assert not cache.holds(path)


def test_what_another_process_removes_while_it_is_read_does_not_come_back(
    cache: DiskCache,
) -> None:
    def load(path: Path) -> bytes:
        content = path.read_bytes()
        path.unlink()
        return content

    assert cache.read(write(cache, "a"), load) == b"whole"
    assert names(cache) == []


def test_what_is_private_is_for_its_user_alone(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "said", ".bin", private=True)
    assert write(cache, "a").stat().st_mode & 0o777 == 0o600
    assert cache.folder.stat().st_mode & 0o777 == 0o700


def test_what_a_process_that_was_killed_left_is_no_matter(cache: DiskCache) -> None:
    writing = cache.write(cache.path("a"), [b"much more than will be written"])
    next(writing)
    (part,) = names(cache)
    assert list(writing) == []
    for key in ("a", "b"):
        (cache.folder / part.replace("a", key, 1)).write_bytes(b"much more than will be written")
    assert write(cache, "a", b"whole").read_bytes() == b"whole"
    assert names(cache) == ["a.bin"]


def test_what_another_machine_writes_stays_while_it_grows(cache: DiskCache) -> None:
    """Its lock cannot be seen here; the times are the disk's, whatever the clock is here."""
    newest = write(cache, "b").stat().st_mtime
    theirs, left = (cache.folder / f"a.bin.{name}.part" for name in ("0123abcd", "4567cdef"))
    for part, minutes in ((theirs, 1), (left, 3)):
        part.write_bytes(b"theirs")
        os.utime(part, (newest - minutes * 60,) * 2)
    assert write(cache, "a").read_bytes() == b"whole"
    assert theirs.read_bytes() == b"theirs"
    assert not left.exists()


def test_a_disk_without_locks_has_whole_files_too(
    cache: DiskCache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def flock(_file: object, _kind: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", flock)
    writing = cache.write(cache.path("a"), [b"mine", b" too"])
    next(writing)
    assert write(cache, "a", b"another's").read_bytes() == b"another's"
    for _ in writing:
        assert cache.path("a").read_bytes() == b"another's"
    assert cache.path("a").read_bytes() == b"mine too"
    assert not caplog.messages


def test_small_files_are_written_whole_by_whoever_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "seed"
    write_whole(path, b"1")
    with pytest.raises(TypeError):
        write_whole(path, None)  # type: ignore[arg-type]
    assert path.read_bytes() == b"1"
    assert [one.name for one in tmp_path.iterdir()] == ["seed"]


def test_those_used_last_stay(cache: DiskCache) -> None:
    for number, key in enumerate("ab"):
        os.utime(write(cache, key), (number, number))
    (cache.folder / "another.txt").write_text("not ours")
    assert cache.read(cache.path("a"), Path.read_bytes) == b"whole"
    write(cache, "c")
    assert names(cache) == ["a.bin", "another.txt", "c.bin"]


# Torch is never really imported: what asks for it is told of, and that is the end.
_CHILD = """
import os, sys
from wyoming_csm.worker.__main__ import run
from wyoming_csm.worker.protocol import Configure

class Told:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print(os.environ["TORCHINDUCTOR_CACHE_DIR"], os.environ["TRITON_CACHE_DIR"], flush=True)
            os._exit(0)

sys.meta_path.insert(0, Told())
run(None, Configure("csm", {"device": sys.argv[1]}, "data", "models"))
"""


def told(folder: Path, device: str, **own: str) -> list[str]:
    """The two folders as they are when torch is about to be imported."""
    names = ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")
    others = {name: value for name, value in os.environ.items() if name not in names}
    root = str(Path(__file__).parents[1])
    said = subprocess.run(
        [sys.executable, "-c", _CHILD, device],
        check=True,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**others, "PYTHONPATH": root, **own},
    ).stdout
    return said.split()


@pytest.mark.parametrize(("device", "name"), [("auto", "cuda-0"), ("cuda:1", "cuda-1")])
def test_both_compilers_store_what_they_make_in_the_data_folder(
    tmp_path: Path, device: str, name: str
) -> None:
    folder = tmp_path / "data" / "compiled" / name
    assert told(tmp_path, device) == [str(folder), str(folder / "triton")]
    assert compiled_folder(tmp_path / "data", device) == folder


def test_what_the_user_says_stays(tmp_path: Path) -> None:
    own = {"TORCHINDUCTOR_CACHE_DIR": "/a", "TRITON_CACHE_DIR": "/b"}
    assert told(tmp_path, "auto", **own) == ["/a", "/b"]
