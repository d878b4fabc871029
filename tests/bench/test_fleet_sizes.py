"""How many replicas a fleet must have, and what the page says of it."""

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.fleet import demand, plan
from benchmarks.fleet.cards import computed, linear, names
from benchmarks.fleet.simulate import Result, Setting, simulate, work_of
from benchmarks.fleet.state import Engine, empty_fleet
from benchmarks.record import FOLDER
from tests.documents import ROOT
from wyoming_csm.config import load

PAGE = (ROOT / "docs/fleet.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("spoilt", "first", "gap", "enough"),
    [
        (0, 0.2, 0.0, True),
        (7, 9.0, 0.0, True),  # the last: seven of a thousand
        (13, 9.0, 0.0, False),
        (-1, 9.0, 0.0, True),  # of those who ask as a quarter is struck: one of a hundred and ten
        (-2, 9.0, 0.0, False),
        (1, 0.2, 0.03, True),
        (2, 0.2, 0.03, False),
        (7, 0.2, 0.01, True),  # so short that nobody notices
        (-1, 0.2, 0.03, False),
    ],
)
def test_all_must_be_well_spoken_to_and_those_who_ask_together(
    spoilt: int, first: float, gap: float, enough: bool
) -> None:
    calm, together = np.linspace(76.0, 900.0, 1000), np.linspace(960.0, 974.0, 110)
    at = np.concatenate([np.linspace(0.0, 29.0, 50), calm, together])  # while it warms up, anything
    fleet = empty_fleet(1, 1, len(at))
    fleet.first_sound[:] = 0.2
    for array, value in ((fleet.first_sound, first), (fleet.gaps, gap)):
        array[:50] = 9.0
        if spoilt > 0:
            array[1050 - spoilt : 1050] = value
        elif spoilt < 0:
            array[spoilt:] = value
    setting = Setting(1, computed("T4", 1))
    result = Result(setting, work_of(at, [[3]] * len(at), [[0]] * len(at)), fleet, 1000.0)
    assert plan.is_enough(result) is enough


def test_those_who_ask_together_decide_how_many_are_needed() -> None:
    """Five late ones of 507 make no p99 of all; prompts are read one by one, 0.05 s each."""
    at = np.sort(np.concatenate([np.arange(30.0, 80.0, 0.1), np.full(7, 60.05)]))
    work = work_of(at, [[1]] * len(at), [[20]] * len(at))
    engine = Engine(linear(0.005, 0.0, 16), np.array([0.05, 0.0]), 1, 0.0, 0.0, True)
    alone = simulate(work, Setting(1, engine))
    assert alone.percentile(99, *demand.WHOLE) <= plan.TARGET_SECONDS
    assert plan.needed(work, alone.setting).setting.replicas == 2


@pytest.mark.parametrize("together", [0.0, 0.03])
def test_the_busiest_quarters_are_enough_to_tell_of_bursts(together: float) -> None:
    day = replace(demand.day_of("hotel"), together=together)
    for units in (10, 100_000):
        at = plan.busy_work(day, units, seed=1).at
        in_burst = (at >= demand.WARM_SECONDS) & ((at - demand.WARM_SECONDS) % 900 < 15)
        assert 4_800 < np.sum(in_burst) < 7_000


def test_no_fewer_are_needed_and_cheaper_cards_more_of_them() -> None:
    work = demand.busiest(demand.day_of("city"), 3000, 45, seed=1)  # no quarter is struck
    counts = []
    for card in ("H100", "T4"):
        result = plan.needed(work, Setting(1, computed(card, 4)))
        counts.append(result.setting.replicas)
        assert plan.is_enough(result)
        if counts[-1] > 1:
            fewer = replace(result.setting, replicas=counts[-1] - 1)
            assert not plan.is_enough(simulate(work, fewer))
    assert counts[0] < counts[1]


@pytest.mark.parametrize(("least", "zones", "count"), [(1, 3, 2), (4, 3, 6), (5, 3, 8), (7, 2, 14)])
def test_enough_are_left_when_a_zone_is_lost(least: int, zones: int, count: int) -> None:
    assert plan.with_a_zone_lost(least, zones) == count


def test_the_page_counts_with_the_slots_that_the_files_have() -> None:
    docker, scale = ROOT / "docker", (ROOT / "docs/scale.md").read_text(encoding="utf-8")
    files = [docker / "scale/replica.yaml"]
    files += [docker / f"kubernetes/{name}/config.yaml" for name in ("base", "haproxy")]
    (written,) = re.findall(r"With (\d+) slots a GPU \(`csm\.slots: (\d+)`", PAGE)
    (own,) = re.findall(r"^  slots: (\d+) ", scale, re.MULTILINE)
    assert {*written, own} == {str(load(file).csm.slots) for file in files}


def test_the_page_says_what_the_record_found() -> None:
    (name,) = re.findall(r"benchmarks/([\d-]+-fleet\.json)", PAGE)
    commands = json.loads((FOLDER / name).read_text(encoding="utf-8"))["commands"]
    run = commands["script/bench fleet sizes --kind hotel --plot docs/fleet-rooms.svg"]
    sizes = run["sizes"]
    assert f"With {run['slots']} slots a GPU" in PAGE

    def row(units: float, column: str, form: str = "{}") -> str:
        found: dict[str, Any] = {one["card"]: one for one in sizes if one["units"] == units}
        return " | ".join(form.format(found[card][column]) for card in names())

    for units, written in ((10, "10"), (1000, "1 000"), (10_000, "10 000"), (100_000, "100 000")):
        assert f"| {written} | {row(units, 'replicas')} |" in PAGE
        if units != 10_000:
            hour = row(units, "price of an hour of speech", "{:.0f}" if units == 10 else "{:.2f}")
            assert re.search(rf"\| {written}( rooms)? \| {re.escape(hour)} \|", PAGE)
    assert f"| 100 000, a zone of three lost | {row(100_000, 'and if a zone is lost')} |" in PAGE
    ours = "script/bench fleet needed --units 100000"
    slots = [commands[ours + asked] for asked in (" --slots 4", " --slots 8", "", " --slots 32")]
    assert f"| GPUs | {' | '.join(str(one['replicas']) for one in slots)} |" in PAGE
