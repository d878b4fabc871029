"""The simulated fleet: its replica against the real frame loop, its queues against theory."""

import math
import random
from collections.abc import Sequence
from heapq import heappop, heappush

import numpy as np
import pytest

from benchmarks.fleet import balancer, demand, faults
from benchmarks.fleet.cards import in_buckets, linear, measured
from benchmarks.fleet.loads import change_load, change_weight, least, set_least
from benchmarks.fleet.simulate import BALANCERS, Event, Result, Setting, simulate, work_of
from benchmarks.fleet.state import FELL_BACK, LOST, SPOKEN, Engine, Floats, empty_fleet
from benchmarks.record import FOLDER
from benchmarks.scripted_runner import Device
from benchmarks.simulation import Line, World
from wyoming_csm.server.agent import percent

PREFILL = (0.030, 0.0001)
NONE = np.zeros(2)
DRAINED = (Event(14.0, 1, balancer.DRAINS), Event(28.0, 1, balancer.DIES))
RECORD = FOLDER / "2026-11-22-amd-epyc-2-cores-engine.json"


@pytest.mark.parametrize(
    ("fixed", "each", "seconds", "count"),
    [
        (0.010, 0.006, 12, 18),
        (0.004, 0.0005, 2, 18),
        (0.010, 0.006, 2, 14),  # nearly at once: the queue, prompts one after the other
        (0.010, 0.014, 3, 9),
        (0.060, 0.002, 3, 10),  # tight: buffers run empty, prompts wait
        (0.073, 0.0001, 3, 8),
    ],
)
def test_a_replica_does_what_the_frame_loop_does(
    fixed: float, each: float, seconds: float, count: int
) -> None:
    chance = random.Random(f"{fixed} {each} {seconds}")
    came = sorted(chance.uniform(0, seconds) for _ in range(count))
    listeners = [
        [
            Line(
                frames=chance.randint(12, 60),
                positions=chance.randint(20, 300),
                after=0.005 if number else at,
            )
            for number in range(chance.choice((1, 1, 2, 3)))
        ]
        for at in came
    ]
    device = Device(lambda n: fixed + each * n, lambda n: PREFILL[0] + PREFILL[1] * n)
    world = World(device, listeners).run()
    real: dict[int, float] = {}
    played = dict.fromkeys(range(count), 0.0)  # when each listener has played all
    for told in world.told.values():
        real.setdefault(told.reply, told.sound[0] - came[told.reply])
        for at in told.sound:
            played[told.reply] = max(at, played[told.reply]) + 0.08
    engine = Engine(linear(fixed, each, 8), np.array(PREFILL), 1, 0.0, 0.005, True)
    ours = simulate(
        work_of(
            np.array(came),
            [[line.frames for line in lines] for lines in listeners],
            [[line.positions for line in lines] for lines in listeners],
        ),
        Setting(1, engine),
    )
    assert ours.firsts() == pytest.approx([real[n] for n in range(len(came))], abs=0.001)
    assert ours.fleet.empty_at == pytest.approx(list(played.values()), abs=0.002)
    assert ours.fleet.counts[0] == len(world.sizes)


def test_one_slot_waits_as_pollaczek_and_khinchine_say() -> None:
    """M/D/1: a sentence takes its frames, its end, and the step that was launched behind it."""
    step, frames, share = 0.01, 4, 0.7
    took = step * (frames + 2)
    at = _poisson(60_000, share / took, seed=5)
    waits = _waits(at, np.full(len(at), took), 1)
    assert waits.mean() == pytest.approx(took * share / (2 * (1 - share)), rel=0.03)
    few = 400
    ours = simulate(
        work_of(at[:few], [[frames]] * few, [[0]] * few),
        Setting(1, Engine(linear(step, 0.0, 1), NONE, 1, 0.0, 0.0, False)),
    )
    assert ours.firsts() == pytest.approx(step + waits[:few])


def test_four_slots_wait_as_erlang_says() -> None:
    """M/M/c: steps cost the same for any number; a sentence begins with the next one."""
    slots, step, took, share = 4, 0.01, 0.4, 0.75
    load = slots * share
    at = _poisson(60_000, load / took, seed=7)
    lengths = np.random.default_rng(2).exponential(took, len(at))
    waits = _waits(at, lengths, slots)
    last = load**slots / math.factorial(slots) / (1 - share)
    waiting = last / (sum(load**k / math.factorial(k) for k in range(slots)) + last)
    assert waits.mean() == pytest.approx(waiting * took / (slots - load), rel=0.05)
    few = 250
    frames = np.maximum(1, np.round(lengths[:few] / step) - 2).astype(int)
    ours = simulate(
        work_of(at[:few], [[int(n)] for n in frames], [[0]] * few),
        Setting(1, Engine(linear(step, 0.0, slots), NONE, 1, 0.0, 0.0, False)),
    )
    late = ours.firsts() - _waits(at[:few], step * (frames + 2), slots)
    assert np.all((late > 0.99 * step) & (late < 3.01 * step))


@pytest.mark.parametrize("name", BALANCERS)
def test_nothing_is_lost_but_what_a_dead_replica_spoke(name: str) -> None:
    result = _busy(name, [*faults.killed(0, 5.0, 7.0), *DRAINED])
    fleet, work = result.fleet, result.work
    lost = np.flatnonzero(fleet.outcome == LOST)
    assert len(lost)
    assert set(fleet.replica[lost]) == {0}  # and none of those that were drained
    assert np.all(work.at[lost] <= 5.0)
    assert sum(result.outcomes.values()) == len(work.at)
    spoken = fleet.outcome == SPOKEN
    sound = np.add.reduceat(work.frames, work.first[:-1])
    assert fleet.counts[1] >= sound[spoken].sum()
    assert result.told()["most_slots"] <= 4
    assert not fleet.load.any()
    assert not fleet.taken.any()


def test_a_dead_replica_attracts_until_it_is_seen_and_nobody_waits_longer() -> None:
    """With the fewest connections it is asked first, and those that ask it try again."""
    result = _busy("leastconn", faults.killed(0, 5.0, 100.0))
    late = result.work.at[result.firsts() > 1.9]
    assert len(late)
    assert np.all((late > 5.0) & (late < 5.0 + faults.SEEN_SECONDS))
    assert np.max(result.firsts(5.1)) < faults.SEEN_SECONDS + 2.5


def test_the_same_work_gives_the_same_and_two_choices_come_near_the_fewest_connections() -> None:
    found = {name: _busy(name).percentile(99) for name in BALANCERS}
    assert found["two"] == _busy("two").percentile(99)
    assert found["leastconn"] < found["two"] < found["random"]


def test_what_waits_beyond_patience_is_spoken_by_another_voice() -> None:
    engine = Engine(linear(0.04, 0.0, 1), NONE, 1, 0.0, 0.0, False)
    result = simulate(work_of(np.arange(3.0), [[400]] * 3, [[0]] * 3), Setting(1, engine))
    assert list(result.fleet.outcome) == [SPOKEN, FELL_BACK, FELL_BACK]
    assert np.isinf(result.firsts()[1])


def test_a_tree_knows_its_least() -> None:
    chance = np.random.default_rng(1)
    tree, values = np.full(16, 9.0), np.full(8, 9.0)
    for leaf, value in zip(chance.integers(0, 8, 60), chance.random(60), strict=True):
        values[leaf] = value
        set_least(tree, int(leaf), float(value))
        assert least(tree) == int(np.argmin(values))


def test_a_day_has_its_hours_and_its_quarters() -> None:
    day = demand.day_of("hotel")
    work = demand.whole_day(day, 1000, seed=1)
    assert len(work.at) == pytest.approx(1000 * day.replies_a_day, rel=0.03)
    by_hour = np.bincount((work.at / 3600).astype(int), minlength=24)
    assert np.argmax(by_hour) == day.busiest
    on_time = np.mean(work.at % 900 < day.together_seconds)
    assert on_time == pytest.approx(day.together + day.together_seconds / 900, rel=0.15)
    with pytest.raises(SystemExit, match="castle"):
        demand.day_of("castle")


def test_steps_are_those_of_the_next_larger_batch() -> None:
    steps = in_buckets({1: 0.010, 2: 0.012, 4: 0.016}, 8)
    assert steps == pytest.approx([0, 0.010, 0.012, 0.016, 0.016, 0.032, 0.032, 0.032, 0.032])


def test_a_record_takes_the_place_of_computed_cards() -> None:
    engine = measured(RECORD, "", 4)
    assert engine.step[1] == pytest.approx(0.0242, abs=0.0001)
    assert engine.prefill[0] == pytest.approx(0.0048, abs=0.0001)
    with pytest.raises(SystemExit, match="no part"):
        measured(RECORD, "nothing", 4)


def test_weights_are_those_that_the_agent_says() -> None:
    fleet = empty_fleet(1, 8, 1)
    for busy in range(14):  # eight speak, the others wait
        fleet.taken[0], fleet.waiting[0] = min(busy, 8), max(0, busy - 8)
        balancer.poll(fleet, 0, balancer.HALF)
        assert fleet.weight[0] == percent(8 - busy, 8)
        balancer.poll(fleet, 0, balancer.ALL)
        assert fleet.weight[0] == max(1, 100 * (8 - busy) // 8)


@pytest.mark.parametrize(
    ("weight", "changes_late", "first"),
    [(94, False, 0), (94, True, 1), (86, False, 0), (85, False, 1), (50, False, 1)],
)
def test_weights_count_in_whole_numbers(weight: int, changes_late: bool, first: int) -> None:
    """Two replicas with a connection each: HAProxy's keys are 512 / 100 = 5 and 512 / weight."""
    fleet = empty_fleet(2, 8, 1)
    if not changes_late:
        change_weight(fleet, 0, weight)
    for replica in range(2):
        change_load(fleet, replica, 1)
    if changes_late:
        change_weight(fleet, 0, weight)
    assert balancer.choose(fleet, balancer.LEAST, 0.0, 0.0) == first


def _busy(name: str, events: Sequence[Event] = ()) -> Result:
    """Three replicas of four slots, half busy for a while."""
    chance, count = np.random.default_rng(4), 200
    frames = [[int(n)] for n in chance.integers(10, 30, count)]
    engine = Engine(linear(0.02, 0.004, 4), np.array([0.02, 0.0]), 1, 0.01, 0.005, True)
    work = work_of(_poisson(count, 5.0, seed=6), frames, [[30]] * count)
    return simulate(work, Setting(3, engine, name, events=events))


def _waits(at: Floats, lengths: Floats, slots: int) -> Floats:
    """Return how long each waits for one of the slots, the first that came first."""
    free, waits = [0.0] * slots, []
    for moment, length in zip(at, lengths, strict=True):
        begin = max(moment, heappop(free))
        waits.append(begin - moment)
        heappush(free, begin + length)
    return np.array(waits)


def _poisson(count: int, rate: float, seed: int) -> Floats:
    return np.cumsum(np.random.default_rng(seed).exponential(1 / rate, count))


def test_the_balancers_are_those_of_haproxy() -> None:
    assert BALANCERS == {
        "leastconn": balancer.LEAST,
        "random": balancer.RANDOM,
        "two": balancer.TWO,
    }
