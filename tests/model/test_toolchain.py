"""Kernels can be built only where a compiler, Python's headers and Triton all are."""

import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from wyoming_csm.model import toolchain


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """One that has everything; what a test removes from the folder is missing."""
    (tmp_path / "gcc").touch(mode=0o755)
    (tmp_path / "Python.h").touch()
    (tmp_path / "triton").touch()
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sysconfig, "get_paths", lambda scheme: {"include": str(tmp_path)})
    monkeypatch.setattr(toolchain, "find_spec", lambda name: (tmp_path / name).exists() or None)
    toolchain.has_triton.cache_clear()
    yield tmp_path
    toolchain.has_triton.cache_clear()


def test_all_is_there(machine: Path) -> None:
    assert toolchain.has_triton()


@pytest.mark.parametrize("missing", ["gcc", "Python.h", "triton"])
def test_something_is_missing(machine: Path, missing: str) -> None:
    (machine / missing).unlink()
    assert not toolchain.has_triton()


def test_another_compiler_does(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine / "gcc").rename(machine / "clang")
    assert toolchain.has_triton()
    (machine / "clang").unlink()
    toolchain.has_triton.cache_clear()
    monkeypatch.setenv("CC", "/opt/bin/cc")
    assert toolchain.has_triton()


@pytest.mark.parametrize(
    ("capability", "builds", "dots"),
    [((6, 1), False, False), ((7, 0), True, False), ((7, 5), True, False), ((8, 0), True, True)],
)
def test_what_triton_builds_for_a_card(
    machine: Path,
    monkeypatch: pytest.MonkeyPatch,
    capability: tuple[int, int],
    builds: bool,
    dots: bool,
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    cuda = torch.device("cuda:0")
    assert toolchain.builds_for(cuda) is builds
    assert toolchain.has_dots(cuda) is dots
    monkeypatch.setattr(torch.version, "hip", "7.0")
    assert toolchain.builds_for(cuda)
    assert toolchain.has_dots(cuda)
    (machine / "gcc").unlink()
    toolchain.has_triton.cache_clear()
    assert not toolchain.builds_for(cuda)
