"""When callers of a benchmark ask."""

import random
from collections import Counter

from benchmarks.callers import Pattern


def test_a_burst_comes_within_a_second_of_ten_and_the_rest_at_any() -> None:
    steady = Pattern(rate=2.0).moments(100.0, random.Random(1))
    assert 150 < len(steady) < 250
    moments = Pattern(rate=2.0, burst=30).moments(100.0, random.Random(1))
    assert moments == sorted(moments)
    seconds = Counter(map(int, moments))
    assert all(seconds[at] >= 30 for at in range(10, 100, 10))
    assert max(count for at, count in seconds.items() if at % 10) < 30
