"""Weights on disk as they are in memory: read when they are these, made again when they are not."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.model.checkpoint.test_adapter import Q, lora, make_adapter
from wyoming_csm import disk_cache
from wyoming_csm.errors import CheckpointError
from wyoming_csm.model.checkpoint import load as loading
from wyoming_csm.model.checkpoint import quantized_cache
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.model.checkpoint.quantized_cache import WeightsCache
from wyoming_csm.model.csm import CsmModel
from wyoming_csm.model.quantization.linear import KINDS, QuantKind

CPU = torch.device("cpu")
ALL = pytest.mark.parametrize("kind", [*KINDS, None])


@pytest.fixture(autouse=True)
def room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine's disk has left."""
    monkeypatch.setattr(loading, "FREE_BYTES", 0)
    monkeypatch.setattr(loading, "FREE_BYTES_INT4", 0)


def cache_of(
    checkpoint: Checkpoint, cache: Path, kind: QuantKind | None, dtype: torch.dtype
) -> WeightsCache:
    found = checkpoint.cache(cache, dtype, kind, kind)
    assert found is not None
    return found


def load(
    folder: Path,
    cache: Path,
    kind: QuantKind | None = "int8",
    dtype: torch.dtype = torch.half,
    adapter: Path | None = None,
) -> CsmModel:
    checkpoint = Checkpoint(folder, adapter)
    weights = cache_of(checkpoint, cache, kind, dtype)
    return checkpoint.load(dtype, CPU, backbone=kind, depth=kind, cache=weights)


def bits(model: CsmModel) -> dict[str, bytes]:
    state = {n: t.flatten().view(torch.uint8) for n, t in model.state_dict().items()}
    return {name: t.numpy().tobytes() for name, t in state.items()}


def files(cache: Path) -> list[Path]:
    return sorted(cache.iterdir())


@pytest.fixture
def no_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("it read the checkpoint's weights again")

    monkeypatch.setattr(Checkpoint, "merged", refuse)


@ALL
@pytest.mark.parametrize("dtype", [torch.half, torch.bfloat16])
def test_the_second_start_reads_what_the_first_made(
    folder: Path,
    tmp_path: Path,
    kind: QuantKind | None,
    dtype: torch.dtype,
    request: pytest.FixtureRequest,
) -> None:
    """Bit for bit, and from nothing else."""
    first = bits(load(folder, tmp_path / "cache", kind, dtype))
    (path,) = files(tmp_path / "cache")
    request.getfixturevalue("no_reading")
    assert bits(load(folder, tmp_path / "cache", kind, dtype)) == first
    assert files(tmp_path / "cache") == [path]


def test_it_is_written_chunk_by_chunk_and_not_there_before_the_last(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU's weights stay as they are: they may be written whenever there is time."""
    monkeypatch.setattr(quantized_cache, "CHUNK_BYTES", 1_000)
    monkeypatch.setattr(WeightsCache, "save", lambda *_: None)
    model = load(folder, tmp_path / "cache", None)
    checkpoint = Checkpoint(folder)

    def writer() -> Iterator[None]:
        return cache_of(checkpoint, tmp_path / "cache", None, torch.half).write(model)

    chunks, beside = writer(), writer()
    next(chunks)
    assert list(beside) == [], "another process writes it already"
    assert len(list(chunks)) > 100
    assert [path.suffix for path in files(tmp_path / "cache")] == [".safetensors"]
    assert list(writer()) == [], "it is there"
    assert bits(load(folder, tmp_path / "cache", None)) == bits(model)


def test_what_was_given_up_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    """A process that was killed leaves a part, which goes in time: it may be another machine's."""
    cache = tmp_path / "cache"
    load(folder, cache)
    checkpoint = Checkpoint(folder)
    model = load(folder, cache, None)
    (plain,) = [p for p in files(cache) if p.stat().st_size > min(map(size, files(cache)))]
    plain.unlink()
    chunks = cache_of(checkpoint, cache, None, torch.half).write(model)
    next(chunks)
    assert len(files(cache)) == 2
    chunks.close()  # type: ignore[attr-defined]
    assert len(files(cache)) == 1
    stale = cache / "0123.safetensors.part"
    stale.write_bytes(b"half")
    os.utime(stale, (0, 0))
    load(folder, cache, None)
    assert not stale.exists()


def size(path: Path) -> int:
    return path.stat().st_size


def test_it_is_stored_only_where_it_spares_reading(folder: Path, tmp_path: Path) -> None:
    """The checkpoint is in float32."""
    checkpoint = Checkpoint(folder)
    kinds: tuple[QuantKind | None, ...] = (None, "int8")
    stored = [
        checkpoint.cache(tmp_path, dtype, kind, None) is not None
        for dtype in (torch.half, torch.float32)
        for kind in kinds
    ]
    assert stored == [True, True, False, True]


@ALL
@pytest.mark.parametrize(
    ("setting", "is_of_int4"), [("FREE_BYTES", False), ("FREE_BYTES_INT4", True)]
)
def test_it_leaves_room_on_the_disk(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    kind: QuantKind | None,
    setting: str,
    is_of_int4: bool,
) -> None:
    """Whatever the type; less with int4, which takes minutes to make again."""
    monkeypatch.setattr(loading, setting, 10**18)
    with caplog.at_level(logging.INFO):
        load(folder, tmp_path / "cache", kind)
    is_stored = is_of_int4 != (kind == "int4")
    assert len(files(tmp_path / "cache")) == is_stored
    assert ("leaves less than 1000000000 GB free" in caplog.text) != is_stored


def test_it_is_of_this_checkpoint(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of its bytes, too: copies of different fine-tunes may have the same time and size."""
    monkeypatch.setattr(disk_cache, "SMALL_BYTES", 10_000)
    cache = tmp_path / "cache"
    load(folder, cache)
    before = files(cache)
    path = folder / "model.safetensors"
    times = path.stat().st_mtime_ns
    os.utime(path, ns=(0, times + 1))
    load(folder, cache)
    assert len(files(cache)) == 2
    assert set(before) < set(files(cache))
    with path.open("r+b") as file:
        file.seek(size(path) // 2)
        file.write(b"\1\2\3\4")
    os.utime(path, ns=(0, times + 1))
    load(folder, cache)
    assert len(files(cache)) == 3


@ALL
def test_it_is_of_this_adapter(folder: Path, tmp_path: Path, kind: QuantKind | None) -> None:
    """And of what its configuration says."""
    cache = tmp_path / "cache"
    adapter = make_adapter(tmp_path / "adapter", lora(Q, 32, 32))
    made = [bits(load(folder, cache, kind)), bits(load(folder, cache, kind, adapter=adapter))]
    make_adapter(adapter, lora(Q, 32, 32), lora_alpha=9)
    made.append(bits(load(folder, cache, kind, adapter=adapter)))
    assert made[0] != made[1] != made[2] != made[0]
    assert bits(load(folder, cache, kind, adapter=adapter)) == made[2]
    assert len(files(cache)) == 3


def test_what_was_used_longest_ago_goes(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    made: list[Path] = []
    for kind in KINDS:
        load(folder, cache, kind)
        (new,) = set(files(cache)) - set(made)
        os.utime(new, (len(made), len(made)))
        made.append(new)
    load(folder, cache, KINDS[0])
    load(folder, cache, "int8", torch.bfloat16)
    assert set(made) - set(files(cache)) == {made[1]}
    assert len(files(cache)) == 3


@pytest.mark.parametrize("length", [0, 5, 3000, -1])
def test_a_broken_file_is_replaced(
    folder: Path, tmp_path: Path, length: int, caplog: pytest.LogCaptureFixture
) -> None:
    cache = tmp_path / "cache"
    first = bits(load(folder, cache))
    (path,) = files(cache)
    whole = path.read_bytes()
    path.write_bytes(whole[:length])
    assert bits(load(folder, cache)) == first
    assert path.read_bytes() == whole
    assert [r.levelno for r in caplog.records] == [logging.WARNING]


def test_a_file_of_something_else_is_replaced(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = tmp_path / "cache"
    first = bits(load(folder, cache))
    load(folder, cache, "fp8")
    one, other = files(cache)
    one.write_bytes(other.read_bytes())
    other.write_bytes((folder / "model.safetensors").read_bytes())
    assert bits(load(folder, cache)) == first
    load(folder, cache, "fp8")
    assert len(caplog.records) == 2


def test_where_nothing_can_be_written_it_loads_all_the_same(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = bits(load(folder, tmp_path / "cache"))
    (tmp_path / "file").write_text("")
    assert bits(load(folder, tmp_path / "file")) == expected
    assert len(caplog.records) == 1

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert bits(load(folder, tmp_path / "full")) == expected
    assert not files(tmp_path / "full")


def test_a_checkpoint_is_still_checked(folder: Path, tmp_path: Path) -> None:
    load(folder, tmp_path / "cache")
    (folder / "model.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError):
        load(folder, tmp_path / "cache")
