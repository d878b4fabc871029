"""What was hostile once is read or refused for ever, in its time, and some more that is like it."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from tests.fuzz.__main__ import attempt
from tests.fuzz.balancer import balancer_targets
from tests.fuzz.checkpoints import checkpoint_targets
from tests.fuzz.files import file_targets
from tests.fuzz.folders import folder_targets
from tests.fuzz.http import http_targets
from tests.fuzz.targets import TARGETS, Target, plainly

CORPUS = Path(__file__).parent / "corpus"
MADE = 300  # of the wire, beside the seeds; of others by their share
MADE_OF_CHECKPOINTS = 15  # of each kind: one takes milliseconds

QUICK = (
    *(*TARGETS, *balancer_targets()),
    *(*file_targets(), *folder_targets(), *http_targets()),
)


@pytest.fixture(scope="module")
def checkpoints() -> dict[str, Target]:
    """Those that are made of a checkpoint, which takes too long while tests are collected."""
    return {target.name: target for target in checkpoint_targets()}


def inputs_of(target: Target, made: int) -> Sequence[bytes]:
    """Return what failed once or is at an edge, the seeds, and some made of them."""
    found = [path.read_bytes() for path in sorted(CORPUS.glob(f"{target.name}-*"))]
    random, make = Random(target.name), target.maker()
    return [*found, *target.seeds, *(make(random) for _ in range(made))]


async def reads_or_refuses(target: Target, made: int) -> None:
    async with target.reading() as read:
        for data in inputs_of(target, made):
            _, _, fault = await attempt(target, read, data)
            assert not fault, (fault, data[:200])


@pytest.mark.parametrize("target", QUICK, ids=lambda target: target.name)
async def test_every_input_is_read_or_refused(target: Target) -> None:
    await reads_or_refuses(target, round(MADE * target.share))


@pytest.mark.parametrize("name", ["weights", "checkpoint"])
async def test_every_checkpoint_is_read_or_refused(
    name: str, checkpoints: dict[str, Target]
) -> None:
    await reads_or_refuses(checkpoints[name], MADE_OF_CHECKPOINTS)


def test_each_file_of_the_corpus_is_sent(checkpoints: dict[str, Target]) -> None:
    names = {target.name for target in QUICK} | checkpoints.keys()
    assert {path.name.partition("-")[0] for path in CORPUS.iterdir()} <= names


async def test_what_takes_too_long_is_a_fault() -> None:
    """Each time; and not what takes long once, while the machine does something else."""
    long: list[bool] = []

    def read(_data: bytes) -> None:
        if long.pop():
            sum(range(1_000_000))

    target = Target("slow", plainly(read), (b"",), (), most_ms=1.0)
    async with target.reading() as sent:
        long += [False, True]
        assert (await attempt(target, sent, b""))[2] == ""
        long += [True] * 4
        assert "ms of a processor" in (await attempt(target, sent, b""))[2]
