"""Front and children together, in simulated time, while children die, hang and come back."""

import asyncio
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engines.simulated_child import Device, SimulatedChild, frames_of, sentence
from tests.engines.simulated_house import House, assert_fair, house_of
from tests.simulated_time import PIPE_SECONDS, simulate
from wyoming_csm.engines.base import Phase
from wyoming_csm.errors import EngineError

STEP = 0.010
READING = 0.025
UNSURE = READING + STEP + 2 * PIPE_SECONDS  # a child may not know yet what it was told
LOADING = 0.4
# A child that hangs is ended after 15 s; another is waited for for 30 s at most.
MADE_UP = 15.0 + 30.0 + 5.0  # seconds that a fault may cost a reply


class Listener(NamedTuple):
    """One reply."""

    client: str
    frames: list[int]  # of each sentence
    after: float = 0.0  # seconds
    leaves: float | None = None  # so many later


class Fault(NamedTuple):
    """What happens to an engine, or to the child that it has then."""

    engine: int
    what: Literal["dies", "stops", "hangs", "is switched off"]
    at: float  # seconds after all is loaded
    lasts: float = 0.0  # until it goes on or is switched on


class Failure(NamedTuple):
    """How a reply ended that was not spoken whole."""

    at: float
    reason: str


CLIENTS = st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3"])
SENTENCES = st.lists(st.integers(1, 12), min_size=1, max_size=4)
LEAVES = st.one_of(st.none(), st.none(), st.floats(0, 4))
TIMES = st.one_of(st.floats(0, 1), st.floats(0, 5))
LISTENERS = st.lists(
    st.builds(Listener, CLIENTS, SENTENCES, TIMES, LEAVES), min_size=1, max_size=12
)
FAULTS = st.lists(
    st.builds(
        Fault,
        st.integers(0, 2),
        st.sampled_from(["dies", "stops", "hangs", "is switched off"]),
        TIMES,
        st.one_of(st.floats(0, 2), st.floats(3, 20)),
    ),
    min_size=1,
    max_size=6,
)


async def listens(house: House, listener: Listener, texts: Sequence[str]) -> Failure | None:
    try:
        await house.listen_for_a_while(listener.client, texts, listener.after, listener.leaves)
    except EngineError as error:
        return Failure(asyncio.get_running_loop().time(), str(error))
    return None


async def happens(house: House, fault: Fault) -> None:
    await asyncio.sleep(fault.at)
    number = fault.engine % len(house.engines)
    engine, child = house.engines[number], list(house.children.values())[number]
    match fault.what:
        case "dies":
            child.kill()
        case "stops" | "hangs":
            child.stop() if fault.what == "stops" else child.hang()
            await asyncio.sleep(fault.lasts)
            child.go_on()
        case "is switched off":
            await engine.stop()
            await asyncio.sleep(fault.lasts)
            await engine.start()


def assert_ends_well(
    house: House, texts: Sequence[str], failure: Failure | None, leaves: bool
) -> None:
    """Each sentence whole and once; a reply that fails says why, and only one that sounded, or
    that ended two processes, or that no engine could speak."""
    asked = [house.told[text] for text in texts if text in house.told]
    for told, text in zip(asked, texts, strict=False):
        sound = [frame for _, frame in told.sound]
        assert sound == list(range(len(sound))), "in order, and once"
        if told is not asked[-1] or (failure is None and told.left == math.inf):
            assert len(sound) == frames_of(text), "lost"
    if failure is None:
        assert len(asked) == len(texts) or leaves, "lost"
        return
    assert failure.reason
    since = asked[-1].asked - UNSURE
    met = sum(since <= child.lost_at <= failure.at for child in house.processes)
    none = any(since <= till and at <= failure.at for at, till in house.mute)
    assert none or met >= (1 if asked[-1].sound else 2), "it was not tried again"


def assert_taken_back_for_good(house: House) -> None:
    """What is not wanted any more gets no slot, or soon loses it; and nothing gets two without
    being asked for."""
    for child in house.processes:
        waits: set[str] = set()
        back: dict[str, float] = {}
        awake = 0.0  # since when
        for at, what, text in child.moments:
            if what == "dies":
                break
            if what == "asked":
                waits.add(text)
                back.pop(text, None)
            elif what == "taken back":
                back[text] = at
            elif what == "goes on":
                awake = at
            elif what == "ends":
                assert at <= max(awake, back.get(text, math.inf)) + UNSURE, "it has its slot still"
            elif what == "begins":
                assert at <= back.get(text, math.inf) + UNSURE, "it was taken back"
                assert text in waits, "it begins twice"
                waits.remove(text)
    for text, told in house.told.items():
        assert all(at <= told.left + UNSURE for _, at in house.begun(text)), "its listener left"


def assert_spoken_by_one(house: House) -> None:
    """A sentence gets another slot only if its child died or stopped, or did not know yet that it
    was given to another."""
    for text in house.told:
        spoken = sorted(one for child in house.processes for one in slots_of(child, text))
        for (before, lost_at), (begin, _) in pairwise(spoken):
            assert lost_at <= begin or begin <= before + UNSURE, "twice"


def slots_of(child: SimulatedChild, text: str) -> list[tuple[float, float]]:
    """When a child began a sentence, and when it died or stopped with it; inf: it did not."""
    found: list[tuple[float, float]] = []
    has_slot = False
    for at, what, of in child.moments:
        if (what, of) == ("begins", text):
            has_slot = True
            found.append((at, math.inf))
        elif (what, of) == ("ends", text):
            has_slot = False
        elif has_slot and what in ("stops", "dies"):
            found[-1] = found[-1][0], min(at, found[-1][1])
    return found


async def assert_all_is_free(house: House, slots: int) -> None:
    """As many as there are slots speak at once, and nothing is left of what was before."""
    for engine in house.engines:
        await engine.start()
        await engine.wait_loaded()
        assert engine.status.phase is Phase.READY
        assert engine.load.share == 0
    texts = [sentence(90_000 + n, 5) for n in range(slots)]
    await asyncio.gather(*(house.listen(f"10.0.1.{n}", [text]) for n, text in enumerate(texts)))
    for text in texts:
        told = house.told[text]
        assert [frame for _, frame in told.sound] == list(range(5))
        assert told.sound[0][0] - told.asked < 1
    for child in house.children.values():
        count = [one.what for one in child.moments].count
        assert count("begins") == count("ends")


def play(csm: list[int], system: bool, listeners: list[Listener], faults: list[Fault]) -> None:
    """CSM's replicas have so many slots each; perhaps there is a system voice, too."""
    devices: Any = {
        f"csm{n or ''}": Device(slots, STEP, READING, LOADING) for n, slots in enumerate(csm)
    }
    if system:
        devices["system"] = Device(1, STEP, READING, LOADING)
    replies = [
        [sentence(100 * n + i, count) for i, count in enumerate(listener.frames)]
        for n, listener in enumerate(listeners)
    ]

    async def scene(monkeypatch: pytest.MonkeyPatch) -> None:
        async with house_of(monkeypatch, **devices) as house:
            happening = asyncio.gather(*(happens(house, fault) for fault in faults))
            async with asyncio.timeout(10 + MADE_UP * len(faults)):
                listening = map(listens, [house] * len(replies), listeners, replies)
                failures = await asyncio.gather(*listening)
            for one, texts, failure in zip(listeners, replies, failures, strict=True):
                assert_ends_well(house, texts, failure, one.leaves is not None)
            await happening
            await asyncio.sleep(1)
            await assert_all_is_free(house, sum(csm))
            assert_taken_back_for_good(house)
            assert_spoken_by_one(house)
            for child in house.processes:
                assert_fair(child, UNSURE)

    with pytest.MonkeyPatch.context() as monkeypatch:
        simulate(scene(monkeypatch))


@settings(max_examples=50, deadline=None)
@given(
    csm=st.lists(st.integers(1, 4), min_size=1, max_size=2),
    system=st.booleans(),
    listeners=LISTENERS,
    faults=FAULTS,
)
def test_whatever_goes_wrong(
    csm: list[int], system: bool, listeners: list[Listener], faults: list[Fault]
) -> None:
    """Every reply ends; nothing is lost, doubled or spoken for nobody; in the end all is free."""
    play(csm, system, listeners, faults)


CROWD = [
    Listener("10.0.0.1", [8, 8]),
    Listener("10.0.0.1", [8]),
    Listener("10.0.0.2", [8, 8], leaves=5.0),
    Listener("10.0.0.3", [8]),
]


@pytest.mark.parametrize("csm", [[1], [1, 1]])
@pytest.mark.parametrize("system", [False, True])
@pytest.mark.parametrize("at", [0.01, 0.06], ids=["begun", "half sounded"])
@pytest.mark.parametrize(
    ("what", "lasts"),
    [("dies", 0.0), ("stops", 6.0), ("stops", 90.0), ("hangs", 90.0), ("is switched off", 1.0)],
)
def test_each_fault(csm: list[int], system: bool, at: float, what: Any, lasts: float) -> None:
    """While one sentence has each slot, and others wait."""
    play(csm, system, CROWD, [Fault(0, what, at, lasts)])
