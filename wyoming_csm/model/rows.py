"""Which row of the static tensors a slot is computed in: a frame computes the first rows only."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple


def row_bucket(n: int, most: int) -> int:
    """The number of rows to compute for `n`: 1, 2, 4, 8, … or `most`."""
    return min(1 << (n - 1).bit_length(), most)


def row_buckets(most: int) -> list[int]:
    """All that `row_bucket` can say, ascending."""
    return sorted({row_bucket(n, most) for n in range(1, most + 1)})


def by_use(sizes: Sequence[int]) -> list[int]:
    """Of ascending sizes the largest, which serves for all, then every eighth, fourth, …

    Whoever has room for the first few only is nowhere far from a size that fits.
    """
    found: list[int] = []
    for stride in (8, 4, 2, 1):
        found += [size for size in sizes[::-1][::stride] if size not in found]
    return found


class Transfer(NamedTuple):
    """A row's content goes to another; `swap`: that one's comes back."""

    source: int
    target: int
    swap: bool


class RowTable:
    """Slots keep their names while their content moves."""

    def __init__(self, rows: int) -> None:
        self._slot_at: list[int | None] = [None] * rows
        self._row_of: dict[int, int] = {}

    def take(self, slot: int) -> int:
        """The slot's row; if it had none, the first free one. There is one for each slot."""
        if slot not in self._row_of:
            self._put(slot, self._slot_at.index(None))
        return self._row_of[slot]

    def of(self, slot: int) -> int | None:
        """The slot's row, if it has one."""
        return self._row_of.get(slot)

    def free(self, slot: int) -> int | None:
        """The row that the slot had, free now."""
        row = self._row_of.pop(slot, None)
        if row is not None:
            self._slot_at[row] = None
        return row

    def gather(self, active: Sequence[int], first: int) -> Iterator[Transfer]:
        """Bring the active slots, at most `first`, into the first rows: what must be done for it.

        Each must be done before the next is asked for; if it cannot, all stays as it was. A row
        that is free is preferred to one whose slot would have to leave it.
        """
        outside = [row for slot in active if (row := self._row_of[slot]) >= first]
        if not outside:
            return
        resting = [row for row in range(first) if self._slot_at[row] not in active]
        resting.sort(key=lambda row: self._slot_at[row] is not None)
        for source, target in zip(outside, resting, strict=False):
            arriving, leaving = self._slot_at[source], self._slot_at[target]
            yield Transfer(source, target, swap=leaving is not None)
            self._slot_at[source] = None
            if leaving is not None:
                self._put(leaving, source)
            assert arriving is not None
            self._put(arriving, target)

    def _put(self, slot: int, row: int) -> None:
        self._slot_at[row] = slot
        self._row_of[slot] = row
