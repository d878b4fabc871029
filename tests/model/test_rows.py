"""Slots have their content wherever it moves, and those that speak share the first rows."""

from hypothesis import given
from hypothesis import strategies as st

from wyoming_csm.model.rows import RowTable, row_bucket, row_buckets


def test_buckets_double_up_to_what_there_is() -> None:
    assert row_buckets(1) == [1]
    assert row_buckets(6) == [1, 2, 4, 6]
    assert row_buckets(32) == [1, 2, 4, 8, 16, 32]
    assert [row_bucket(n, 6) for n in range(1, 7)] == [1, 2, 4, 4, 6, 6]


def test_a_free_row_is_preferred_and_nothing_moves_that_need_not() -> None:
    table = RowTable(4)
    assert [table.take(slot) for slot in (7, 5, 9, 3)] == [0, 1, 2, 3]
    assert [*table.gather([7, 5], 2)] == []
    assert table.free(5) == 1
    assert table.free(5) is None
    assert [*table.gather([3], 2)] == [(3, 1)]
    assert table.take(5) == 3
    assert table.free(5) == 3
    assert [*table.gather([9, 3], 2)] == [(2, 0)]
    assert [table.take(slot) for slot in (7, 9, 3, 5)] == [2, 0, 1, 3]


def test_what_could_not_be_moved_stays_where_it_was() -> None:
    table = RowTable(4)
    for slot in range(4):
        table.take(slot)
    transfers = table.gather([2, 3], 2)
    assert [next(transfers), next(transfers)] == [(2, 0), (3, 1)]
    assert [table.take(slot) for slot in range(4)] == [2, 1, 0, 3]


@given(st.lists(st.tuples(st.sampled_from(["take", "free", "speak"]), st.sets(st.integers(0, 5)))))
def test_content_follows_its_slot(steps: list[tuple[str, set[int]]]) -> None:
    """`content` is what the static tensors would hold: whose state is in which row."""
    table = RowTable(6)
    content: list[int | None] = [None] * 6
    speaking: set[int] = set()
    for step, slots in steps:
        taken = sorted(slots & speaking)
        if step == "take":
            for slot in slots - set(taken):
                taking = table.take(slot)
                assert content[taking] is None
                content[taking] = slot
            speaking |= slots
        elif step == "free":
            for slot in taken:
                left = table.free(slot)
                assert left is not None
                assert content[left] == slot
                content[left] = None
            speaking -= slots
        elif taken:
            room = row_bucket(len(taken), 6)
            for source, target in table.gather(taken, room):
                content[source], content[target] = content[target], content[source]
            assert all(table.take(slot) < room for slot in taken)
        assert all(content[table.take(slot)] == slot for slot in speaking)
        assert sum(slot is not None for slot in content) == len(speaking)
