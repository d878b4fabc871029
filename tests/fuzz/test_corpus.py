"""What was hostile once is read or refused for ever, and some more that is like it."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from tests.fuzz.__main__ import attempt
from tests.fuzz.balancer import balancer_targets
from tests.fuzz.files import file_targets
from tests.fuzz.http import http_targets
from tests.fuzz.targets import TARGETS, Target

CORPUS = Path(__file__).parent / "corpus"
MADE = 300  # of the wire, beside the seeds; of others by their share


QUICK = (
    *TARGETS,
    *balancer_targets(),
    *file_targets(),
    *http_targets(),
)  # those of checkpoints need torch


def inputs_of(target: Target) -> Sequence[bytes]:
    """Return what failed once, the seeds, and some made of them."""
    found = [path.read_bytes() for path in sorted(CORPUS.glob(f"{target.name}-*"))]
    random, make = Random(target.name), target.maker()
    return [*found, *target.seeds, *(make(random) for _ in range(round(MADE * target.share)))]


@pytest.mark.parametrize("target", QUICK, ids=lambda target: target.name)
async def test_every_input_is_read_or_refused(target: Target) -> None:
    async with target.reading() as read:
        for data in inputs_of(target):
            _, _, fault = await attempt(target, read, data)
            assert not fault, data[:200]
