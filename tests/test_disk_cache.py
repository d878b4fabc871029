"""Files kept on disk: whole or not at all, one writer at a time, the oldest go."""

import os
from contextlib import suppress
from pathlib import Path

import pytest

from wyoming_csm.disk_cache import DiskCache


@pytest.fixture
def cache(tmp_path: Path) -> DiskCache:
    return DiskCache(tmp_path / "new" / "folder", ".bin", 2)


def write(cache: DiskCache, key: str, content: bytes = b"whole") -> Path:
    path = cache.path(key)
    with cache.new(path) as file:
        file.write(content)
        assert not path.exists() or path.read_bytes() != content
    return path


def names(cache: DiskCache) -> list[str]:
    return sorted(path.name for path in cache.folder.iterdir())


def test_a_file_is_there_once_it_is_whole(cache: DiskCache) -> None:
    path = write(cache, "a")
    assert path.read_bytes() == b"whole"
    write(cache, "a", b"another")
    assert path.read_bytes() == b"another"
    with suppress(OSError), cache.new(path) as file:
        file.write(b"ha")
        raise OSError("No space left on device")
    assert path.read_bytes() == b"another"
    assert names(cache) == ["a.bin"]


def test_two_do_not_write_the_same(cache: DiskCache) -> None:
    with cache.new(cache.path("a")) as file:
        with pytest.raises(BlockingIOError), cache.new(cache.path("a")):
            pytest.fail("both")
        file.write(b"mine")
        write(cache, "b")
        assert names(cache) == ["a.bin.part", "b.bin"], "a part that is being written stays"
    assert cache.path("a").read_bytes() == b"mine"
    assert names(cache) == ["a.bin", "b.bin"]


def test_what_a_process_that_was_killed_left_is_no_matter(cache: DiskCache) -> None:
    cache.folder.mkdir(parents=True)
    for key in ("a", "b"):
        (cache.folder / f"{key}.bin.part").write_bytes(b"much more than will be written")
    assert write(cache, "a", b"whole").read_bytes() == b"whole"
    assert names(cache) == ["a.bin"]


def test_those_used_last_stay(cache: DiskCache) -> None:
    for number, key in enumerate("ab"):
        os.utime(write(cache, key), (number, number))
    (cache.folder / "another.txt").write_text("not ours")
    cache.use(cache.path("a"))
    write(cache, "c")
    assert names(cache) == ["a.bin", "another.txt", "c.bin"]
    cache.use(cache.path("gone"))
