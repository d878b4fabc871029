"""Quantised weights on disk: read when they are these, made again when they are not."""

import logging
import os
from pathlib import Path

import pytest
import torch

from wyoming_csm.errors import CheckpointError
from wyoming_csm.model import quantized, quantized_cache
from wyoming_csm.model.csm import CsmModel
from wyoming_csm.model.quantized import KINDS, Kind
from wyoming_csm.model.weights import Checkpoint

CPU = torch.device("cpu")


def load(
    folder: Path, cache: Path, kind: Kind = "int8", dtype: torch.dtype = torch.half
) -> CsmModel:
    return Checkpoint(folder).load(dtype, CPU, backbone=kind, depth=kind, cache=cache)


def bits(model: CsmModel) -> dict[str, bytes]:
    state = {n: t.flatten().view(torch.uint8) for n, t in model.state_dict().items()}
    return {name: t.numpy().tobytes() for name, t in state.items()}


def files(cache: Path) -> list[Path]:
    return sorted(cache.iterdir())


@pytest.fixture
def no_quantising(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("it quantised again")

    monkeypatch.setattr(quantized, "quantize", refuse)


@pytest.mark.parametrize("kind", KINDS)
def test_the_second_start_reads_what_the_first_made(
    folder: Path, tmp_path: Path, kind: Kind, request: pytest.FixtureRequest
) -> None:
    first = bits(load(folder, tmp_path / "cache", kind))
    (path,) = files(tmp_path / "cache")
    request.getfixturevalue("no_quantising")
    assert bits(load(folder, tmp_path / "cache", kind)) == first
    assert files(tmp_path / "cache") == [path]


def test_it_is_of_these_types(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    load(folder, cache)
    load(folder, cache, "fp8")
    load(folder, cache, "int8", torch.bfloat16)
    assert len(files(cache)) == 3


def test_it_is_of_this_checkpoint(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    load(folder, cache)
    before = files(cache)
    path = folder / "model.safetensors"
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    load(folder, cache)
    assert len(files(cache)) == 2
    assert set(before) < set(files(cache))


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


@pytest.mark.parametrize("keep", [0, 5, 3000, -1])
def test_a_broken_file_is_replaced(
    folder: Path, tmp_path: Path, keep: int, caplog: pytest.LogCaptureFixture
) -> None:
    cache = tmp_path / "cache"
    first = bits(load(folder, cache))
    (path,) = files(cache)
    whole = path.read_bytes()
    path.write_bytes(whole[:keep])
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

    monkeypatch.setattr(quantized_cache, "_write", full)
    assert bits(load(folder, tmp_path / "full")) == expected
    assert not files(tmp_path / "full")


def test_a_checkpoint_is_still_checked(folder: Path, tmp_path: Path) -> None:
    load(folder, tmp_path / "cache")
    (folder / "model.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError):
        load(folder, tmp_path / "cache")
