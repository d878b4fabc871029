"""Queue, scheduler and loop under load, in simulated time: none starves, no buffer is empty."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.scripted_runner import Device
from benchmarks.simulation import PIPE_SECONDS, Line, World, crowd, gaps
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
def test_every_admitted_listener_gets_all_sound_in_time(
    device: Device, most: int, ahead: int, spread: float
) -> None:
    for seed in range(10):
        world = crowd(seed, late_is(device, ahead), spread=spread)
        spoken = [told for told in world.told.values() if told.begun is not None]
        assert max(told.sound[0] - (told.begun or 0) for told in spoken) <= 1.0
        assert gaps(world)[0] == []
        assert max(world.sizes) == most
        late = [told for told in world.told.values() if told.late is not None]
        assert all((told.late or 0) - told.asked > PATIENCE_SECONDS for told in late)
        assert all(told.done is not None for told in world.told.values()), "none is lost for it"
        assert world.runner.is_empty


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
        assert world.sizes[-100:].count(4) == 0, "four would take 86 ms"
        worst = max(worst, *inside, 0.0)
    assert worst < 0.05


@pytest.mark.parametrize("ahead", [0, 1])
def test_a_listener_that_leaves_is_forgotten_within_two_frames(ahead: int) -> None:
    for seed in range(10):
        world = crowd(seed, late_is(ENOUGH, ahead), leaving=0.5)
        left = [number for number, told in world.told.items() if told.stopped is not None]
        assert left
        assert max(map(world.frames_after_stop, left)) <= 1 + ahead
        assert gaps(world)[0] == []
        assert world.runner.is_empty


def test_a_long_prompt_is_read_in_chunks_beside_a_listener() -> None:
    listener = [Line(frames=200, positions=50)]
    newcomer = [Line(frames=20, positions=2000, after=0.06)]
    world = World(Device(ahead=0), [listener, newcomer]).run()
    assert gaps(world) == ([], [])
    chunks = [positions for number, positions in world.runner.chunks if number == 2]
    assert sum(chunks) == 2000
    assert len(chunks) > 1
    alone = World(Device(ahead=0), [[Line(frames=5, positions=2000)]]).run()
    assert alone.runner.chunks == [(1, 2000)]


def test_a_newcomer_that_waited_long_empties_no_buffer_when_it_joins() -> None:
    device = Device(step=lambda n: 0.010 if n == 1 else 0.070, slots=2, ahead=0)
    old = [[Line(frames=400, positions=50)], [Line(frames=20, positions=50)]]
    for positions in range(2_500, 4_000, 100):
        newcomer = [Line(frames=20, positions=positions, after=0.01)]
        world = World(device, [*old, newcomer]).run()
        assert gaps(world) == ([], [])
        assert (world.told[3].begun or 0) > 1.0


def test_a_slot_that_comes_free_is_taken_at_once() -> None:
    stalling = [Line(frames=20), Line(frames=20, after=5.0)]
    world = World(Device(slots=1), [stalling, [Line(frames=20, after=0.1)]]).run()
    assert 0 <= (world.told[2].begun or 0) - (world.told[1].done or 0) < 0.02


def test_a_prompt_is_read_even_beside_one_that_is_always_late() -> None:
    device = Device(step=lambda n: 0.025, really=4.0, slots=2, ahead=0)
    newcomer = [Line(frames=10, positions=100, after=0.01)]
    world = World(device, [[Line(frames=300)], newcomer]).run()
    assert world.told[2].sound[0] - world.told[2].asked < 3.0


def test_one_that_is_far_ahead_yields_to_one_whose_buffer_would_be_empty() -> None:
    """On a device where all together would be too late for the newcomer."""
    old = [[Line(frames=150, positions=30)] for _ in range(4)]
    new = [Line(frames=50, positions=30, after=2.0)]
    device = Device(step=lambda n: 0.0755 if n > 4 else 0.02, slots=5)
    world = World(device, [*old, new]).run()
    assert gaps(world) == ([], [])
    steps = [step.sentences for step in world.runner.steps]
    after = steps[steps.index([1, 2, 3, 4, 5]) :]
    assert any(5 in step and len(step) < 5 for step in after)
    assert all(len(step) > 1 for step in after[:20])


def test_it_beats_every_second_under_load() -> None:
    world = crowd(1, Device(ahead=1))
    pairs = zip(world.beats, world.beats[1:], strict=False)
    assert max(later - beat for beat, later in pairs) < 1.2


def test_what_a_sentence_took_to_compute_is_told_without_its_waiting() -> None:
    device = Device(slots=1, ahead=0)
    listeners = [[Line(frames=100, positions=50)] for _ in range(3)]
    world = World(device, listeners).run()
    alone = device.prefill(50) + 101 * device.step(1)  # the last frame is the end
    assert [told.computed for told in world.told.values()] == pytest.approx([alone] * 3, rel=0.01)
    assert (world.told[3].begun or 0) > 2 * alone


def test_what_two_compute_together_both_took() -> None:
    device = Device(slots=2)
    world = World(device, [[Line(frames=100, positions=50)] for _ in range(2)]).run()
    for told in world.told.values():
        assert told.computed == pytest.approx(0.035 + 101 * device.step(2), rel=0.05)


LINES = st.builds(
    Line,
    frames=st.integers(0, 60),
    positions=st.integers(1, 700),
    after=st.one_of(st.just(PIPE_SECONDS), st.floats(0, 3)),
    stopped=st.one_of(st.none(), st.none(), st.floats(0, 5)),
    prepared=st.one_of(st.just(0.0), st.just(0.0), st.floats(0, 4)),
    bad=st.integers(0, 9).map(lambda n: n == 0),
)
LISTENERS = st.lists(st.lists(LINES, min_size=1, max_size=4), min_size=1, max_size=24)
CLIENTS = st.lists(st.sampled_from("abcdef"), min_size=24, max_size=24)
DEVICES = st.builds(
    lambda fixed, each, prefill, really, slots, ahead: Device(
        step(fixed, each), step(prefill, prefill / 300), really, slots, ahead
    ),
    fixed=st.floats(0.001, 0.1),
    each=st.floats(0, 0.04),
    prefill=st.floats(0.001, 0.05),
    really=st.floats(0.7, 1.5),
    slots=st.integers(1, 8),
    ahead=st.integers(0, 1),
)


@settings(max_examples=150, deadline=None)
@given(device=DEVICES, listeners=LISTENERS, clients=CLIENTS)
def test_whatever_comes_each_sentence_ends_once(
    device: Device, listeners: list[list[Line]], clients: list[str]
) -> None:
    """The world itself asserts: none starves, no frame is lost, doubled or out of order, never more
    than there are slots, one Begun, then one Done or Failed for each sentence, and whoever begins,
    no other client that waits has fewer being spoken, or as many and was served longer ago."""
    world = World(device, listeners, clients).run()
    for number, told in world.told.items():
        if told.stopped is None:
            assert (told.done is None) != (told.failed is None)
            assert (told.failed is not None) == told.line.bad
        elif told.begun is not None:
            assert told.begun <= told.stopped, "it was stopped while it waited"
        assert told.begun is None or told.begun >= told.asked + told.line.prepared
        assert world.frames_after_stop(number) <= 1 + device.ahead
    assert world.runner.is_empty


@settings(max_examples=60, deadline=None)
@given(listeners=LISTENERS, clients=CLIENTS, slots=st.integers(1, 8), ahead=st.integers(0, 1))
def test_no_slot_is_idle_while_a_sentence_that_may_begin_waits(
    listeners: list[list[Line]], clients: list[str], slots: int, ahead: int
) -> None:
    """On a device that has time for all: in each turn that may begin one, one begins."""
    device = Device(step(0.004, 0.002), step(0.002, 0.00001), slots=slots, ahead=ahead)
    world = World(device, listeners, clients)
    while not world.is_over:
        waits = any(not told.line.bad and told.stopped is None for told in world.waiting())
        may = waits and not world.runner.is_reading and world.runner.taken < slots
        begun = world.begun
        world.turn()
        assert not may or world.begun > begun


@settings(max_examples=60, deadline=None)
@given(
    listeners=st.lists(
        st.lists(
            st.builds(
                Line,
                frames=st.integers(12, 190),
                positions=st.integers(1, 500),
                after=st.floats(0.2, 3),
            ),
            min_size=1,
            max_size=3,
        ),
        min_size=1,
        max_size=24,
    ),
    slots=st.integers(1, 8),
    ahead=st.integers(0, 1),
)
def test_whoever_comes_no_buffer_is_empty_inside_a_sentence(
    listeners: list[list[Line]], slots: int, ahead: int
) -> None:
    world = World(Device(slots=slots, ahead=ahead), listeners).run()
    assert gaps(world)[0] == []
    spoken = [told for told in world.told.values() if told.begun is not None]
    assert all(told.sound[0] - (told.begun or 0) <= 1.5 for told in spoken)
