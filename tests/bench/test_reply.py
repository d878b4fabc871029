"""What a player that starts at the first chunk has of a reply."""

import pytest

from wyoming_csm.bench.reply import Arrival, Reply, gaps, reply_of


@pytest.mark.parametrize(
    ("chunks", "silences"),
    [
        ([(0.3, 0.1)], []),
        ([(0.3, 0.1), (0.4, 0.1), (0.5, 0.1)], []),  # just in time
        ([(0.3, 0.1), (0.405, 0.1)], []),  # a scheduler's
        ([(0.3, 0.1), (0.45, 0.1), (0.6, 0.1)], [0.05, 0.05]),  # each silence shifts what follows
        ([(0.3, 1.0), (0.9, 0.1), (1.6, 0.1)], [0.2]),  # what came early is a store
        ([(0.3, 0.1), (0.3, 0.1), (0.45, 0.1)], []),
    ],
)
def test_a_gap_is_when_nothing_is_left_to_play(
    chunks: list[tuple[float, float]], silences: list[float]
) -> None:
    assert gaps([Arrival(*chunk) for chunk in chunks]) == pytest.approx(silences)


def test_a_replys_figures() -> None:
    reply = Reply((Arrival(0.2, 1.0), Arrival(0.5, 1.0)))
    assert (reply.ttfa, reply.seconds, reply.rtf) == pytest.approx((0.2, 2.0, 0.25))


def test_a_chunk_without_sound_is_no_first_sound() -> None:
    reply = reply_of([Arrival(0.1, 0.0), Arrival(0.2, 0.5)])
    assert reply is not None
    assert reply.ttfa == 0.2
    assert reply_of([Arrival(0.1, 0.0)]) is None
