"""Work for quiet moments waits for them, and waits again when somebody speaks."""

from collections.abc import Iterator
from queue import SimpleQueue

from wyoming_csm.worker.csm.idle_thread import IdleThread


def test_it_works_while_nobody_speaks() -> None:
    made: SimpleQueue[int] = SimpleQueue()
    step: SimpleQueue[None] = SimpleQueue()

    def pieces() -> Iterator[None]:
        for number in range(4):
            step.get(timeout=10)
            made.put(number)
            yield

    thread = IdleThread(pieces())
    step.put(None)
    thread.pause()
    assert made.empty(), "nobody said that it is quiet"
    thread.go()
    assert made.get(timeout=10) == 0
    thread.pause()
    step.put(None)
    step.put(None)
    first = made.qsize()  # the piece that was begun
    assert first <= 1
    thread.go()
    thread.go()
    assert [made.get(timeout=10) for _ in range(2)] == [1, 2]
    step.put(None)
    assert made.get(timeout=10) == 3
