"""What holds for a whole run: it leaves no process behind."""

from collections.abc import Iterator

import pytest

from tests.leftovers import nothing_left


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """Fails after the last test, and names the one that left something."""
    yield from nothing_left()
