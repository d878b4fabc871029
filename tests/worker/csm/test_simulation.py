"""The frame loop under load, in simulated time: nobody starves, runs dry or is heard twice."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worker.csm.simulated_stage import PIPE_SECONDS, Device, Sentence
from tests.worker.csm.simulation import World, crowd, gaps
from wyoming_csm.worker.fair_queue import PATIENCE_SECONDS


def step(fixed: float, each: float) -> Callable[[int], float]:
    return lambda n: fixed + each * n


ENOUGH = Device()  # 10 + 6 n ms: eight fit
SHORT = Device(step=step(0.010, 0.014))  # 10 + 14 n ms: four do


def late_is(device: Device, ahead: int, really: float = 1.0) -> Device:
    return Device(device.step, device.prefill, really, device.slots, ahead)


@pytest.mark.parametrize("spread", [0.0, 2.0])
@pytest.mark.parametrize("ahead", [0, 1])
@pytest.mark.parametrize(("device", "most"), [(ENOUGH, 8), (SHORT, 4)])
def test_every_admitted_listener_hears_all_in_time(
    device: Device, most: int, ahead: int, spread: float
) -> None:
    for seed in range(10):
        world = crowd(seed, late_is(device, ahead), spread=spread)
        spoken = [told for told in world.told.values() if told.begun is not None]
        assert max(told.sound[0] - (told.begun or 0) for told in spoken) <= 1.0
        assert gaps(world)[0] == []
        assert max(world.stage.steps) == most
        late = [told for told in world.told.values() if told.late is not None]
        assert all((told.late or 0) - told.asked > PATIENCE_SECONDS for told in late)
        assert all(told.done is not None for told in world.told.values()), "none is lost for it"
        assert world.stage.is_empty


@pytest.mark.parametrize(("device", "most"), [(ENOUGH, 8), (SHORT, 4)])
def test_where_all_listeners_fit_none_waits_between_its_sentences(
    device: Device, most: int
) -> None:
    for seed in range(10):
        assert gaps(crowd(seed, device, most)) == ([], [])


@pytest.mark.parametrize("ahead", [0, 1])
def test_a_device_slower_than_it_was_at_the_start_is_found_out(ahead: int) -> None:
    worst = 0.0
    for seed in range(10):
        world = crowd(seed, late_is(SHORT, ahead, really=1.3))
        inside, _ = gaps(world)
        assert sum(inside) < 0.2
        assert world.stage.steps[-100:].count(4) == 0, "four would take 86 ms"
        worst = max(worst, *inside, 0.0)
    assert worst < 0.05


@pytest.mark.parametrize("ahead", [0, 1])
def test_who_leaves_is_forgotten_within_two_frames(ahead: int) -> None:
    for seed in range(10):
        world = crowd(seed, late_is(ENOUGH, ahead), leaving=0.5)
        left = [told for told in world.told.values() if told.stopped is not None]
        assert left
        assert max(told.nobody for told in left) <= 1 + ahead
        assert gaps(world)[0] == []
        assert world.stage.is_empty


def test_a_long_prompt_is_heard_in_pieces_beside_a_listener() -> None:
    listener = [Sentence(frames=200, positions=50)]
    newcomer = [Sentence(frames=20, positions=2000, after=0.06)]
    world = World(Device(ahead=0), [listener, newcomer]).run()
    assert gaps(world) == ([], [])
    pieces = [positions for request, positions in world.stage.pieces if request == 2]
    assert sum(pieces) == 2000
    assert len(pieces) > 1
    alone = World(Device(ahead=0), [[Sentence(frames=5, positions=2000)]]).run()
    assert alone.stage.pieces == [(1, 2000)]


def test_a_newcomer_that_waited_long_makes_nobody_run_dry_when_it_joins() -> None:
    device = Device(step=lambda n: 0.010 if n == 1 else 0.070, slots=2, ahead=0)
    old = [[Sentence(frames=400, positions=50)], [Sentence(frames=20, positions=50)]]
    for positions in range(2_500, 4_000, 100):
        newcomer = [Sentence(frames=20, positions=positions, after=0.01)]
        world = World(device, [*old, newcomer]).run()
        assert gaps(world) == ([], [])
        assert (world.told[3].begun or 0) > 1.0


def test_a_slot_that_comes_free_is_taken_at_once() -> None:
    stalling = [Sentence(frames=20), Sentence(frames=20, after=5.0)]
    world = World(Device(slots=1), [stalling, [Sentence(frames=20, after=0.1)]]).run()
    assert 0 <= (world.told[2].begun or 0) - (world.told[1].done or 0) < 0.02


def test_a_prompt_is_heard_even_beside_one_who_is_always_late() -> None:
    device = Device(step=lambda n: 0.025, really=4.0, slots=2, ahead=0)
    newcomer = [Sentence(frames=10, positions=100, after=0.01)]
    world = World(device, [[Sentence(frames=300)], newcomer]).run()
    assert world.told[2].sound[0] - world.told[2].asked < 3.0


def test_who_is_far_ahead_yields_to_who_would_run_dry() -> None:
    """On a device where all together would be too late for the newcomer."""
    old = [[Sentence(frames=150, positions=30)] for _ in range(4)]
    new = [Sentence(frames=50, positions=30, after=2.0)]
    device = Device(step=lambda n: 0.0755 if n > 4 else 0.02, slots=5)
    world = World(device, [*old, new]).run()
    assert gaps(world) == ([], [])
    joined = world.stage.launched.index([1, 2, 3, 4, 5])
    after = world.stage.launched[joined:]
    assert any(5 in requests and len(requests) < 5 for requests in after)
    assert all(len(requests) > 1 for requests in after[:20])


def test_it_beats_every_second_under_load() -> None:
    world = crowd(1, Device(ahead=1))
    pairs = zip(world.beats, world.beats[1:], strict=False)
    assert max(later - beat for beat, later in pairs) < 1.2


SENTENCES = st.builds(
    Sentence,
    frames=st.integers(0, 60),
    positions=st.integers(1, 700),
    after=st.one_of(st.just(PIPE_SECONDS), st.floats(0, 3)),
    stopped=st.one_of(st.none(), st.none(), st.floats(0, 5)),
    bad=st.integers(0, 9).map(lambda n: n == 0),
)
DEVICES = st.builds(
    lambda fixed, each, prefill, really, slots, ahead: Device(
        step(fixed, each), step(prefill, prefill / 300), really, slots, ahead
    ),
    fixed=st.floats(0.001, 0.1),
    each=st.floats(0, 0.04),
    prefill=st.floats(0.001, 0.05),
    really=st.floats(0.7, 1.5),
    slots=st.integers(1, 6),
    ahead=st.integers(0, 1),
)


@settings(max_examples=150, deadline=None)
@given(device=DEVICES, listeners=st.lists(st.lists(SENTENCES, min_size=1, max_size=4), max_size=12))
def test_whatever_comes_each_sentence_ends_once(
    device: Device, listeners: list[list[Sentence]]
) -> None:
    """The world itself asserts: no starvation, no frame lost, doubled or out of order, never more
    than there are slots, one Done or Failed for each sentence."""
    world = World(device, listeners).run()
    for told in world.told.values():
        if told.stopped is None:
            assert (told.done is None) != (told.failed is None)
            assert (told.failed is not None) == told.sentence.bad
        assert told.nobody <= 1 + device.ahead
    assert world.stage.is_empty


@settings(max_examples=60, deadline=None)
@given(
    listeners=st.lists(
        st.lists(
            st.builds(
                Sentence,
                frames=st.integers(12, 190),
                positions=st.integers(1, 500),
                after=st.floats(0.2, 3),
            ),
            min_size=1,
            max_size=3,
        ),
        min_size=1,
        max_size=16,
    ),
    ahead=st.integers(0, 1),
)
def test_whoever_comes_nobody_runs_dry_inside_a_sentence(
    listeners: list[list[Sentence]], ahead: int
) -> None:
    world = World(Device(ahead=ahead), listeners).run()
    assert gaps(world)[0] == []
    spoken = [told for told in world.told.values() if told.begun is not None]
    assert all(told.sound[0] - (told.begun or 0) <= 1.5 for told in spoken)
