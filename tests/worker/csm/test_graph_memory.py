"""Graphs' memory before there are any: how many nodes, and what a driver takes for each."""

import ctypes
from types import SimpleNamespace

import pytest
import torch

from benchmarks.models import FULL_SIZE
from wyoming_csm.worker.csm import graph_memory
from wyoming_csm.worker.csm.graph_memory import GraphNodes, driver_version, graph_node_bytes

CUDA = torch.device("cuda:0")


def test_nodes_are_about_those_that_were_counted() -> None:
    """1 402 kernels a frame of one row in generated code, and 290 of the codec; 45 graphs."""
    nodes = GraphNodes.of(FULL_SIZE, compiled=True)
    assert 1_402 + 290 < nodes.least < 1.2 * (1_402 + 290)
    assert 12_000 < nodes.all(4, 2048) < 14_000
    assert GraphNodes.of(FULL_SIZE, compiled=False).all(4, 2048) > 1.5 * nodes.all(4, 2048)
    assert nodes.all(1, 512) < nodes.all(1, 2048) < nodes.all(4, 2048)


@pytest.mark.parametrize(
    ("version", "size"), [(11_080, 65_536), (12_040, 65_536), (12_080, 16_384), (None, 65_536)]
)
def test_an_old_driver_or_an_unknown_one_takes_the_most(
    monkeypatch: pytest.MonkeyPatch, version: int | None, size: int
) -> None:
    monkeypatch.setattr(graph_memory, "driver_version", lambda: version)
    assert graph_node_bytes(CUDA) == size
    assert graph_node_bytes(torch.device("cpu")) == 0


def test_the_driver_is_asked_for_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([(0, 13_000), (100, 0)])

    def ask(version: "ctypes._CArgObject") -> int:
        failed, said = next(answers)
        ctypes.cast(version, ctypes.POINTER(ctypes.c_int))[0] = said
        return failed

    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(cuDriverGetVersion=ask))
    assert driver_version() == 13_000
    assert driver_version() is None

    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert driver_version() is None
