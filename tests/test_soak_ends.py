"""A soak comes to its end, and to a report, whatever becomes of the server and of itself."""

import asyncio
import json
import random
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from benchmarks.soak import rounds, series, served, visitor
from benchmarks.soak.crowd import Crowd
from benchmarks.soak.found import CUT, Soak
from benchmarks.soak.report import concluded
from benchmarks.soak.served import Served
from benchmarks.soak.visitor import Visitor
from tests.test_soak import HOUR, soaked

PATIENCE = 60.0  # seconds; only a failing test waits so long


@pytest.fixture
async def silent(tmp_path: Path) -> AsyncIterator[Served]:
    """A server that lets everybody in, takes nothing and says nothing."""
    process = await asyncio.create_subprocess_exec("sleep", "600")
    try:
        with socket.create_server(("127.0.0.1", 0)) as door:
            port = door.getsockname()[1]
            yield Served(process, tmp_path, port, port, port)
    finally:
        process.kill()
        await process.wait()


@pytest.fixture
def crowd() -> Crowd:
    return Crowd([], random.Random(1), 1.0)


@pytest.fixture
def prober(silent: Served, crowd: Crowd) -> Visitor:
    return Visitor(100, *silent.ports, crowd.chance)


async def test_a_server_that_hangs_is_a_failure_and_not_waited_for(
    silent: Served, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "READY_SECONDS", 0.1)
    monkeypatch.setattr(series, "PATIENCE", 0.7)  # a look begins with half a second's rest
    async with asyncio.timeout(PATIENCE):
        found = await rounds.at_rest(silent, crowd, silent, lambda: 0.0)
    assert found == ([], [])
    assert [one.visit for one in crowd.failures] == ["at rest", "a look at rest"]


async def test_a_sentence_that_does_not_come_is_not_waited_for(
    silent: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series, "PATIENCE", 0.2)
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(TimeoutError):
            await series.probe(silent, silent, random.Random(), "csm", lambda: 0.0)


async def test_what_is_sent_and_never_taken_holds_up_nobody(
    silent: Served, prober: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visitor, "CLOSING_SECONDS", 0.05)
    async with asyncio.timeout(PATIENCE):
        async with prober.connected(silent.port) as door:
            door.writer.write(bytes(2**24))  # more than a socket takes
        assert door.writer.transport.get_write_buffer_size() == 0


async def test_trouble_that_ends_by_an_error_is_told(crowd: Crowd) -> None:
    async def breaks() -> None:
        raise ValueError("no JSON")

    async def goes_on() -> None:
        await asyncio.Event().wait()

    for trouble in (goes_on(), breaks(), goes_on()):
        await rounds.troubled(crowd, trouble, 0.0)
    assert [(one.visit, one.why) for one in crowd.failures] == [("trouble", "ValueError: no JSON")]


async def test_a_server_that_does_not_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served, "END_SECONDS", 0.05)
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", "trap '' TERM; echo; exec sleep 600"), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()
    async with asyncio.timeout(PATIENCE):
        assert await Served(process, tmp_path, 0, 0, 0).end() == -9


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_one_that_fails_or_is_interrupted_says_what_there_was(
    error: type[BaseException], tmp_path: Path
) -> None:
    soak = Soak(HOUR, exit_code=0, cut=CUT)

    async def soaking() -> None:
        soak.rests = soaked().rests[:20]
        raise error

    with pytest.raises(error):
        concluded(soak, soaking(), tmp_path)
    assert len(json.loads((tmp_path / "soak.json").read_bytes())["soak"]["rests"]) == 20
    assert f"| faults at the end | 1: {CUT} |" in (tmp_path / "soak.md").read_text()
