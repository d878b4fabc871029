"""Sizes and memory of captured functions, with a capture that only remembers the call."""

import logging
from collections.abc import Callable

import pytest
import torch

from wyoming_csm.model.cuda import Capture, GraphRoom, Graphs, Size


def recorder(calls: list[Size]) -> Callable[..., None]:
    return lambda *size: calls.append(size)


def remember(run: Callable[[], None]) -> Callable[[], None]:
    return run


def without_room_for(calls: list[Size], *too_large: Size) -> Capture:
    def capture(run: Callable[[], None]) -> Callable[[], None]:
        run()
        if calls.pop() in too_large:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return run

    return capture


def test_the_smallest_captured_size_that_is_large_enough_serves() -> None:
    calls: list[Size] = []
    graphs = Graphs(recorder(calls), remember)
    for size in ((4, 128), (4, 64), (1, 128), (1, 64)):
        graphs.capture(*size)
    for wanted, served in (
        ((1, 1), (1, 64)),
        ((1, 64), (1, 64)),
        ((1, 65), (1, 128)),
        ((2, 30), (4, 64)),
        ((3, 100), (4, 128)),
    ):
        assert graphs.pick(*wanted) == served
        graphs(*wanted)
        assert calls.pop() == served


def test_what_no_graph_can_serve_is_a_plain_call_of_its_own_size() -> None:
    calls: list[Size] = []
    graphs = Graphs(recorder(calls), remember)
    graphs.capture(2)
    graphs(3)
    plain = Graphs(recorder(calls), None)
    plain.capture(4)
    plain(1)
    assert calls == [(3,), (1,)]


def test_a_larger_graph_serves_what_memory_had_no_room_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls: list[Size] = []
    graphs = Graphs(recorder(calls), without_room_for(calls, (2,), (8,)))
    with pytest.raises(torch.OutOfMemoryError):
        graphs.capture(8)
    graphs.capture(4)
    with caplog.at_level(logging.WARNING):
        graphs.capture(2)
    assert "(2,)" in caplog.text
    graphs.capture(1)
    assert [graphs.pick(n) for n in (1, 2, 3, 4)] == [(1,), (4,), (4,), (4,)]


class Driver:
    """A GPU whose graphs take so many bytes each."""

    def __init__(self, each: int) -> None:
        self.free = 10_000
        self.each = each

    def run(self, *size: int) -> None:
        pass

    def capture(self, run: Callable[[], None]) -> Callable[[], None]:
        self.free -= self.each
        return run


def test_what_graphs_take_is_measured_and_those_beyond_are_served_by_larger_ones() -> None:
    driver = Driver(each=10)
    room = GraphRoom(35, lambda: driver.free)
    graphs = Graphs(driver.run, driver.capture, room)
    for n in (4, 2, 1, 3):
        graphs.capture(n)
    assert (room.taken, room.left_out) == (30, 1)
    assert [graphs.pick(n) for n in (1, 2, 3, 4)] == [(1,), (2,), (4,), (4,)]


def test_the_size_that_serves_for_all_is_captured_whatever_it_takes() -> None:
    driver = Driver(each=1000)
    room = GraphRoom(100, lambda: driver.free)
    graphs = Graphs(driver.run, driver.capture, room)
    for n in (4, 2, 1):
        graphs.capture(n)
    assert (room.taken, room.left_out) == (1000, 2)
    assert [graphs.pick(n) for n in (1, 2, 4)] == [(4,)] * 3


def test_what_others_gave_back_meanwhile_is_no_gain() -> None:
    driver = Driver(each=-5)
    room = GraphRoom(100, lambda: driver.free)
    Graphs(driver.run, driver.capture, room).capture(4)
    assert room.taken == 0


def test_another_error_is_not_taken_for_want_of_memory() -> None:
    def capture(run: Callable[[], None]) -> Callable[[], None]:
        if calls:
            raise RuntimeError("operation not permitted when stream is capturing")
        return run

    calls: list[Size] = []
    graphs = Graphs(recorder(calls), capture)
    graphs.capture(2)
    graphs(2)
    with pytest.raises(RuntimeError, match="not permitted"):
        graphs.capture(1)


def test_a_new_graph_serves_at_once() -> None:
    graphs = Graphs(recorder([]), remember)
    graphs.capture(4)
    assert graphs.pick(1) == (4,)
    graphs.capture(1)
    assert graphs.pick(1) == (1,)
