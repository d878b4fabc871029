"""Which batch row a slot is computed in: a frame computes the first rows only, a bucket of them.

Say slots 0 … 3 are in rows 0 … 3, and only slot 3 speaks while the others wait. One row would do:

    gather([3], 1) → (3, 0)    rows 0 and 3 change content: slot 3 is in row 0, slot 0 in row 3

and each slot finds its content under its own number. Nothing moves while the rows below the bucket
hold all that speak. To close the gap on release only would move less, but in `benchmarks/schedule`
the sentences that wait then cost those that speak a larger bucket: some 60 gaps in sound where
there is one.
"""

from collections.abc import Iterator, Sequence


def row_bucket(n: int, most: int) -> int:
    """Return the number of rows to compute for `n`: 1, 2, 4, 8, … or `most`."""
    return min(1 << (n - 1).bit_length(), most)


def row_buckets(most: int) -> list[int]:
    """Return all that `row_bucket` can say, ascending."""
    return sorted({row_bucket(n, most) for n in range(1, most + 1)})


class RowTable:
    """Slots keep their names while their content moves."""

    def __init__(self, rows: int) -> None:
        self._slot_at: list[int | None] = [None] * rows
        self._row_of: dict[int, int] = {}

    def take(self, slot: int) -> int:
        """Return the slot's row; if it had none, the first free one. There is one for each slot."""
        if slot not in self._row_of:
            self._put(slot, self._slot_at.index(None))
        return self._row_of[slot]

    def free(self, slot: int) -> int | None:
        """Return the row that the slot had, if any: it is free now."""
        row = self._row_of.pop(slot, None)
        if row is not None:
            self._slot_at[row] = None
        return row

    def gather(self, active: Sequence[int], first: int) -> Iterator[tuple[int, int]]:
        """Bring the active slots, at most `first`, into the first rows: yield pairs to swap.

        Each must be swapped before the next is asked for; if it cannot, all stays as it was. A row
        that is free is preferred to one whose slot would have to leave it.
        """
        outside = [row for slot in active if (row := self._row_of[slot]) >= first]
        if not outside:
            return
        resting = [row for row in range(first) if self._slot_at[row] not in active]
        resting.sort(key=lambda row: self._slot_at[row] is not None)
        for source, target in zip(outside, resting, strict=False):
            yield source, target
            arriving, leaving = self._slot_at[source], self._slot_at[target]
            self._slot_at[source] = None
            if leaving is not None:
                self._put(leaving, source)
            assert arriving is not None
            self._put(arriving, target)

    def _put(self, slot: int, row: int) -> None:
        self._slot_at[row] = slot
        self._row_of[slot] = row
