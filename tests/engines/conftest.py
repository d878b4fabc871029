"""The engines that tests here speak with: over a fake child, and three fakes with a fallback."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.fixtures.fake_child import COMMAND
from tests.engines.helpers import ANNA, HANS, LJ, PICO, VOICES, Make
from tests.engines.repeating import HOT, House
from tests.fakes import FakeEngine
from wyoming_csm.config import CacheConfig
from wyoming_csm.engines.child_engine import ChildEngine
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.engines.sentence_cache import SentenceCache
from wyoming_csm.engines.watchdog import Timeouts
from wyoming_csm.worker.protocol import Configure


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    """Engines over a fake child, stopped at the end; further words are the child's settings."""
    made: list[ChildEngine] = []

    def make(
        *,
        probe: Callable[[], None] = lambda: None,
        silent_seconds: float = 30.0,
        start_seconds: float = 30.0,
        restart_seconds: float = 0.01,
        rest_seconds: tuple[float, ...] = (1_000.0,),
        mute_seconds: float = 1_000.0,
        retry_seconds: float = 60.0,
        mute_retry_seconds: float = 1_000.0,
        idle_seconds: float | None = None,
        title: str = "",
        command: tuple[str, ...] = COMMAND,
        **settings: Any,
    ) -> ChildEngine:
        engine = ChildEngine(
            Configure("fake", settings, "", ""),
            voices=lambda: VOICES,
            probe=probe,
            patience=Timeouts(
                silent=silent_seconds,
                start=start_seconds,
                restart=restart_seconds,
                rests=rest_seconds,
                mute=mute_seconds,
                retry=retry_seconds,
                mute_retry=mute_retry_seconds,
                idle=idle_seconds,
            ),
            title=title,
            command=command,
        )
        made.append(engine)
        return engine

    yield make
    await asyncio.gather(*(engine.stop() for engine in made))


@pytest.fixture
def csm() -> FakeEngine:
    return FakeEngine("csm", voices=(ANNA,), slots=4)


@pytest.fixture
def coqui() -> FakeEngine:
    return FakeEngine("coqui", voices=(LJ,), slots=1)


@pytest.fixture
def system() -> FakeEngine:
    return FakeEngine("system", voices=(PICO, HANS), slots=2)


@pytest.fixture
def fallback(csm: FakeEngine, coqui: FakeEngine, system: FakeEngine) -> Fallback:
    return Fallback([csm, coqui, system])


@pytest.fixture
def house(tmp_path: Path, csm: FakeEngine, coqui: FakeEngine, system: FakeEngine) -> House:
    csm.identity, csm.codes = HOT, b"codes"
    return House(tmp_path, csm, coqui, system)


@pytest.fixture
async def cache(tmp_path: Path) -> AsyncIterator[SentenceCache]:
    made = SentenceCache(tmp_path, CacheConfig())
    yield made
    await made.close()
