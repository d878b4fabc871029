"""Front and child together, in simulated time: one queue, where the slots are."""

import asyncio
import math
from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.engines.simulated_child import ANNA, PICO, SLOW, Device, frames_of, sentence
from tests.engines.simulated_house import House, assert_fair, house_of
from tests.simulated_time import PIPE_SECONDS, simulate
from wyoming_csm.engines.reply import LATE_SECONDS
from wyoming_csm.voices import Voice
from wyoming_csm.worker.fair_queue import FIRST_SOUND_SECONDS, PATIENCE_SECONDS

STEP = 0.010
UNSURE = STEP + 2 * PIPE_SECONDS  # so long a child may not know, or not do yet, what it was told


async def everyone(house: House, listeners: int, sentences: int, frames: int) -> float:
    """Each listener has an address of its own; returns the seconds until all is said."""
    clock = asyncio.get_running_loop().time
    began = clock()
    async with asyncio.TaskGroup() as group:
        for n in range(listeners):
            texts = [sentence(100 * n + i, frames) for i in range(sentences)]
            group.create_task(house.listen(f"10.0.0.{n}", texts))
    return clock() - began


def assert_all_whole(house: House) -> None:
    """Every frame of every sentence, once and in order."""
    for text, told in house.told.items():
        assert [frame for _, frame in told.sound] == list(range(frames_of(text)))


def longest_idle(house: House, texts: Iterable[str] | None = None) -> float:
    """Seconds in which a slot was free and the same sentence waited, beyond a step for each that
    was let in before it and the way to the child."""
    waits = (house.idle("csm", text) for text in (house.told if texts is None else texts))
    idle = (idle - STEP * (others + 1) - 2 * PIPE_SECONDS for idle, others in waits)
    return max(idle, default=0.0)


@pytest.mark.parametrize("listeners", [1, 2, 3, 5, 9, 16, 24])
@pytest.mark.parametrize("slots", [1, 2, 4, 8])
def test_no_slot_is_idle_while_a_sentence_waits(
    monkeypatch: pytest.MonkeyPatch, slots: int, listeners: int
) -> None:
    async def scene() -> tuple[float, float]:
        async with house_of(monkeypatch, csm=Device(slots, STEP)) as house:
            seconds = await everyone(house, listeners, sentences=6, frames=10)
            assert_all_whole(house)
            return longest_idle(house), seconds

    idle, seconds = simulate(scene())
    rounds = -(-6 * listeners // slots) if listeners > slots else 6
    each = 11 * STEP + 2 * PIPE_SECONDS  # ten frames, and one that says the end
    print(f"{slots} slots, {listeners} listeners: {seconds:.3f} s, idle {max(idle, 0):.3f} s")
    assert idle <= 1e-6
    assert seconds <= (rounds + 1) * each + STEP * slots


def test_a_busy_engines_next_listener_is_spoken_to_by_an_idle_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """CSM is busy for 12 s: due after 1 s, and no more than 10.5 s beyond."""
    first, second = sentence(1, 150), sentence(2, 5)

    async def scene() -> None:
        async with house_of(monkeypatch, csm=Device(1, 0.08), system=Device(1, 0.001)) as house:
            await asyncio.gather(
                house.listen("10.0.0.1", [first]), house.listen("10.0.0.2", [second], after=0.05)
            )
            told = house.told[second]
            print(f"after {told.sound[0][0] - told.asked:.1f} s by {house.begun(second)}")
            assert [child for child, _ in house.begun(second)] == ["system"]
            assert told.sound[0][0] - told.asked <= 1 + 10.5
            assert_all_whole(house)

    simulate(scene())


@pytest.mark.parametrize(
    ("busy", "idle", "voice"), [("csm", "system", ANNA), ("system", "csm", PICO)]
)
def test_a_child_that_computes_for_long_says_nothing_and_patience_ends_all_the_same(
    monkeypatch: pytest.MonkeyPatch, busy: str, idle: str, voice: Voice
) -> None:
    """One step of a frame loop, or one chunk of a sentence loop, takes 14 s."""
    assert FIRST_SOUND_SECONDS + PATIENCE_SECONDS < LATE_SECONDS <= 11.5, "the child first"
    first, second = sentence(1, 1), sentence(2, 1)

    async def scene() -> None:
        step = {busy: 14.0, idle: 0.001}
        csm, system = Device(1, step["csm"]), Device(1, step["system"])
        async with house_of(monkeypatch, csm=csm, system=system) as house:
            await asyncio.gather(
                house.listen("10.0.0.1", [first], voice=voice),
                house.listen("10.0.0.2", [second], after=0.05, voice=voice),
            )
            told = house.told[second]
            assert [child for child, _ in house.begun(second)] == [idle]
            assert told.sound[0][0] - told.asked <= 1 + 10.5

    simulate(scene())


@pytest.mark.parametrize("others", [0, 200])
def test_the_wait_for_a_voice_is_no_wait_for_a_slot(
    monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    """Its own engine speaks, whether a slot is free meanwhile or another listener's for 16 s."""
    text = sentence(1, 5)

    async def scene() -> None:
        csm = Device(1, 0.08, preparing=60.0)
        async with house_of(monkeypatch, csm=csm, system=Device(1, 0.001)) as house:
            async with asyncio.TaskGroup() as group:
                if others:
                    group.create_task(house.listen("10.0.0.2", [sentence(2, others)]))
                group.create_task(house.listen("10.0.0.1", [text], after=0.1, voice=SLOW))
            assert [child for child, _ in house.begun(text)] == ["csm"]

    simulate(scene())


def test_a_voice_that_is_prepared_here_is_not_prepared_again_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another child's slot comes free meanwhile, and its own is taken."""
    text = sentence(1, 5)

    async def scene() -> None:
        device = Device(1, 0.05, preparing=5.0)
        async with house_of(monkeypatch, csm=device, csm2=device) as house:
            await asyncio.gather(
                house.listen("10.0.0.1", [text], voice=SLOW),
                house.listen("10.0.0.2", [sentence(2, 20)], after=0.02),
                house.listen("10.0.0.3", [sentence(3, 60)], after=0.1),
            )
            told = house.told[text]
            assert told.sound[0][0] - told.asked <= 5 + 0.05 + 2 * UNSURE

    simulate(scene())


def test_a_slot_is_given_on_while_its_listeners_text_stalls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No message comes then: nothing more is asked for, and the answer is not over."""
    first, second = sentence(1, 30), sentence(2, 5)

    async def scene() -> None:
        async with house_of(monkeypatch, csm=Device(1, STEP)) as house:
            await asyncio.gather(
                house.listen("10.0.0.1", [first], stalls=5.0),
                house.listen("10.0.0.2", [second], after=0.5),
            )
            assert_all_whole(house)
            assert longest_idle(house) <= 1e-6

    simulate(scene())


def test_a_voice_that_is_prepared_delays_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        async with house_of(monkeypatch, csm=Device(1, STEP, preparing=5.0)) as house:
            slow, other = sentence(1, 5), sentence(2, 5)
            await asyncio.gather(
                house.listen("10.0.0.1", [slow], voice=SLOW),
                house.listen("10.0.0.2", [other], after=0.01),
            )
            told = house.told[other]
            print(f"first sound after {told.sound[0][0] - told.asked:.3f} s")
            assert told.sound[0][0] - told.asked <= 2 * STEP + 2 * PIPE_SECONDS
            assert 5 <= house.told[slow].sound[0][0] - house.told[slow].asked <= 5 + 2 * UNSURE
            assert_all_whole(house)

    simulate(scene())


def test_a_voice_is_prepared_by_one_child_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sentence has a slot there, as soon as it can take it."""

    async def scene() -> None:
        device = Device(1, STEP, preparing=5.0)
        async with house_of(monkeypatch, csm=device, csm2=device) as house:
            await house.listen("10.0.0.1", [text := sentence(1, 5)], voice=SLOW)
            assert [child for child, _ in house.begun(text)] == ["csm"]
            assert_all_whole(house)

    simulate(scene())


LISTENERS = st.lists(
    st.tuples(
        st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]),
        st.lists(st.integers(1, 12), min_size=1, max_size=4),  # frames of each sentence
        st.floats(0, 1),  # after so many seconds
        st.one_of(st.none(), st.none(), st.floats(0, 1)),  # leaves so many later
    ),
    max_size=24,
)


@settings(max_examples=60, deadline=None)
@given(listeners=LISTENERS, slots=st.integers(1, 8))
@example(  # all at one moment, more than a few: what is sent arrives in its order nevertheless
    listeners=[("10.0.0.1", [1], 0.0, None)] * 6
    + [("10.0.0.1", [1, 1], 0.0, None), ("10.0.0.2", [1, 1], 0.0, 0.0)],
    slots=1,
)
def test_whoever_comes_and_goes(
    listeners: list[tuple[str, list[int], float, float | None]], slots: int
) -> None:
    """Fair by client within one sentence; none starves, is lost or doubled; what its listener
    left while it waited never reaches a slot; no slot is idle while a sentence waits."""

    async def scene(monkeypatch: pytest.MonkeyPatch) -> None:
        async with house_of(monkeypatch, csm=Device(slots, STEP)) as house:
            async with asyncio.TaskGroup() as group:
                for n, (client, frames, after, leaves) in enumerate(listeners):
                    texts = [sentence(100 * n + i, count) for i, count in enumerate(frames)]
                    listening = house.listen_for_a_while(client, texts, after, leaves)
                    group.create_task(listening)
            for text, told in house.told.items():
                received = [frame for _, frame in told.sound]
                whole = list(range(frames_of(text)))
                if told.left < math.inf:
                    assert received == whole[: len(received)]
                    begun = [at for _, at in house.begun(text)]
                    assert all(at <= told.left + UNSURE for at in begun), "it has left"
                else:
                    assert (received, len(house.begun(text))) == (whole, 1)
            assert_fair(house.children["csm"], UNSURE)
            stayed = [text for text, told in house.told.items() if told.left == math.inf]
            assert longest_idle(house, stayed) <= 1e-6

    with pytest.MonkeyPatch.context() as monkeypatch:
        simulate(scene(monkeypatch))


def test_two_children_share_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of them ten times as slow: the other takes all that it can."""

    async def scene() -> tuple[float, list[str]]:
        slow, quick = Device(1, 0.1), Device(1, STEP)
        async with house_of(monkeypatch, csm=slow, csm2=quick) as house:
            seconds = await everyone(house, listeners=9, sentences=1, frames=10)
            assert_all_whole(house)
            return seconds, [house.begun(text)[-1][0] for text in house.told]

    seconds, children = simulate(scene())
    print(f"{seconds:.2f} s, {Counter(children)}")
    assert Counter(children) == {"csm": 1, "csm2": 8}
    assert seconds <= 1.2


def test_a_stopped_childs_sentences_go_to_the_next_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that wait and the one of which nothing came; when it goes on, none is doubled."""

    async def scene() -> None:
        async with house_of(monkeypatch, csm=Device(1, STEP), system=Device(1, STEP)) as house:
            await asyncio.sleep(0.5)
            house.children["csm"].stop()
            clock = asyncio.get_running_loop().time
            began = clock()
            await everyone(house, listeners=3, sentences=2, frames=5)
            print(f"all is said after {clock() - began:.1f} s")
            assert clock() - began <= 4.5
            house.children["csm"].go_on()
            await asyncio.sleep(2)
            assert_all_whole(house)
            await house.listen("10.0.0.9", [text := sentence(999, 5)])
            assert house.begun(text)[0][0] == "csm"
            assert_all_whole(house)

    simulate(scene())


def test_who_waits_for_an_engine_to_load_is_spoken_to_in_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene() -> None:
        device = Device(1, STEP, loading=1.0)
        async with house_of(monkeypatch, wait=False, csm=device) as house:
            texts = [sentence(number, 2) for number in range(8)]
            await asyncio.gather(
                *(house.listen("10.0.0.1", [text], 0.01 * n) for n, text in enumerate(texts))
            )
            begun = [at for text in texts for _, at in house.begun(text)]
            assert len(begun) == len(texts)
            assert begun == sorted(begun)

    simulate(scene())
