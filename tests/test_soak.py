"""What a soak judges by: what grows is found through noise, and noise is not taken for growth."""

import random
from pathlib import Path

import pytest
from msgspec.structs import replace

from benchmarks.soak import judge
from benchmarks.soak.found import CUT, ROUNDS, Soak, again
from benchmarks.soak.judge import MIB, Points
from benchmarks.soak.logged import kinds
from benchmarks.soak.report import conclude
from benchmarks.soak.series import AtRest, First
from benchmarks.soak.watching import Held

HOUR = 3_600


def noisy(growth: float, *, size: float = 60 * MIB, noise: float = 0.3 * MIB) -> Points:
    """Two hours in minutes: a size that grows by so much an hour, and now and then is far off."""
    chance = random.Random(7)
    return [
        (at, size + growth * at / HOUR + chance.gauss(0, noise) + (at % 1_700 == 0) * 20 * MIB)
        for at in range(60, 2 * HOUR, 60)
    ]


@pytest.mark.parametrize(("growth", "holds"), [(0, True), (0.5, True), (2, False), (-5, True)])
def test_memory_may_drift_by_a_mebibyte_an_hour(growth: float, holds: bool) -> None:
    assert judge.memory("it", [noisy(growth * MIB)], 600).holds is holds


@pytest.mark.parametrize(("growth", "holds"), [(3, True), (8, False)])
def test_or_by_a_percent_of_what_is_large(growth: float, holds: bool) -> None:
    assert judge.memory("it", [noisy(growth * MIB, size=500 * MIB)], 600).holds is holds


def test_a_new_process_is_no_drift_and_a_short_life_says_nothing() -> None:
    second = [(at + 2 * HOUR, value + 40 * MIB) for at, value in noisy(0)]
    assert judge.memory("it", [noisy(0), second], 600).holds
    assert judge.memory("it", [noisy(0)[:5]], 600).holds is None


def test_no_end_bends_a_slope() -> None:
    flat = [(at, 60.0) for at in range(1, 59)]
    assert judge.slope([[(0, 0.0), *flat, (60, 900.0)]]) == 0


def test_what_is_given_back_later_and_later_is_no_drift() -> None:
    swelling = [(at, 60 * MIB + (at % 240) * 40 * at) for at in range(0, 2 * HOUR, 60)]
    assert judge.memory("it", [swelling], 600).holds


def test_a_count_is_constant_but_for_a_moment() -> None:
    flat = [(at, 12.0 + (at == 30)) for at in range(60)]
    assert judge.constant("it", flat).holds
    assert judge.constant("it", [(at, 12 + at // 25) for at in range(60)]).holds is False
    assert judge.constant("it", [(at, 12 + at // 40) for at in range(60)], slack=1).holds
    assert judge.constant("it", [(at, 12 + at // 15) for at in range(60)], slack=1).holds is False


@pytest.mark.parametrize(
    ("slower", "machine", "holds"), [(1, 2, True), (1, 0.4, True), (1.5, 1, False), (3, 2, False)]
)
def test_a_slower_machine_is_no_slower_server(slower: float, machine: float, holds: bool) -> None:
    chance = random.Random(1)

    def timed(factor: float) -> Points:
        return [
            (at, 0.05 * chance.uniform(1, 1.3) * (factor if at > 2_000 else 1))
            for at in range(0, HOUR, 6)
        ]

    assert judge.no_slower("it", timed(slower * machine), timed(machine)).holds is holds


def test_lines_that_nobody_expected_are_named() -> None:
    begin = "2026-11-27 21:30:33,605"
    lines = [
        f"{begin} INFO wyoming_csm.answer: Spoken for 127.0.0.3",
        f"{begin} INFO wyoming_csm.answer: Spoken for 127.0.0.4",
        f"{begin} WARNING wyoming_csm.engines.supervisor: csm: its process ended (exit code 1);"
        " it starts again in 0.5 s",
        f"{begin} WARNING asyncio: Task was destroyed but it is pending!",
        "Traceback (most recent call last):",
    ]
    counts, unexpected = kinds(lines)
    assert counts["INFO wyoming_csm.answer: Spoken for #"] == 2
    assert unexpected == lines[3:]


def soaked(growth: float = 0.0, descriptors: int = 0) -> Soak:
    """Make up an hour: what the front grows by in it, and descriptors that it loses each round."""
    soak = Soak(HOUR, exit_code=0)
    for number, at in enumerate(range(60, HOUR, 60)):
        front = Held(
            1,
            0,
            number,
            round(60 * MIB + growth * number / 60),
            40 * MIB,
            12 + descriptors * number,
            0,
            8,
        )
        child = Held(2, 0, number, 300 * MIB, 200 * MIB, 5, 0, 4)
        rest = AtRest(at, front, child, child, 13, 1, 0, 1_000, 100 * number, 50 * number)
        soak.rests.append(rest)
        first = First(at, "csm", 0.05, 0.03, 0.04, 0.02)
        soak.firsts += [first, replace(first, engine="system")] * 10
    soak.heard = [(rest.at, 150.0) for rest in soak.rests]
    return soak


def test_an_hour_is_good_or_not_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert conclude(soaked(), tmp_path / "good")
    assert "does not hold" not in capsys.readouterr().out
    assert {path.suffix for path in tmp_path.glob("good.*")} == {".json", ".md", ".svg"}
    for bad in (soaked(growth=3 * MIB), soaked(descriptors=1)):
        assert not conclude(bad, tmp_path / "bad")
        assert capsys.readouterr().out.count("does not hold") == 1


@pytest.mark.parametrize(
    ("died", "why", "excused"),
    [
        (95.0, "wyoming speak: Refused: csm: its process ended", True),
        (95.0, "http speak: Refused: cut: not enough data", True),
        (101.0, "wyoming speak: Refused: csm: its process ended", False),  # before that
        (95.0, "wyoming speak: Refused: system: its process ended", False),  # which lived
        (95.0, "wyoming stream: ConnectionResetError: Connection lost", False),
        (95.0, "http browse: Refused: cut: not enough data", False),
    ],
)
def test_what_a_dead_child_had_is_lost_and_nothing_else(
    died: float, why: str, excused: bool, tmp_path: Path
) -> None:
    soak = soaked()
    soak.failures, soak.died_at = [(100.0, why)], [died]
    assert conclude(soak, tmp_path / "a") is excused


def test_a_crowd_that_hears_later_and_later_is_told(tmp_path: Path) -> None:
    soak = soaked()
    soak.heard = [(at, 150.0 * (1.4 if at > 3_000 else 1)) for at, _ in soak.heard]
    assert not conclude(soak, tmp_path / "a")
    soak.firsts = [
        replace(one, control=0.03 * (1.4 if one.at > 3_000 else 1)) for one in soak.firsts
    ]
    assert conclude(soak, tmp_path / "b"), "the machine became slower"


def test_more_computing_is_told_where_the_control_has_no_more(tmp_path: Path) -> None:
    soak = soaked()
    soak.firsts = [
        replace(one, computing=0.04 * (1.4 if one.at > 3_000 else 1)) for one in soak.firsts
    ]
    assert not conclude(soak, tmp_path / "a")
    soak.firsts = [
        replace(one, control_computing=0.02 * (1.4 if one.at > 3_000 else 1)) for one in soak.firsts
    ]
    assert conclude(soak, tmp_path / "b"), "each turn of the processor did less"


def test_what_an_hour_does_not_say_is_not_good(tmp_path: Path) -> None:
    soak = soaked()
    soak.heard = []
    assert not conclude(soak, tmp_path / "a")
    soak.seconds -= 1
    assert conclude(soak, tmp_path / "b")


def test_a_soak_is_judged_again_from_its_files(tmp_path: Path) -> None:
    (tmp_path / "server.log").write_text("Traceback\n")
    conclude(soaked(), tmp_path / "soak")
    soak = again(tmp_path)
    assert (soak.rests, soak.firsts, soak.log) == (soaked().rests, soaked().firsts, ["Traceback"])
    assert not conclude(soak, tmp_path / "soak")


def test_one_that_was_cut_is_judged_by_what_its_rounds_left(tmp_path: Path) -> None:
    whole = soaked()
    soak = Soak(whole.seconds)
    with (tmp_path / ROUNDS).open("wb") as file:
        for number, rest in enumerate(whole.rests):
            soak.add([rest], whole.firsts[20 * number : 20 * number + 20], file)
        file.write(b'{"seconds": 36')  # it was killed amid it
    (tmp_path / "server.log").write_text("")
    found = again(tmp_path)
    assert (found.rests, found.firsts) == (soak.rests, soak.firsts) == (whole.rests, whole.firsts)
    assert not conclude(found, tmp_path / "soak")
    assert CUT in (tmp_path / "soak.md").read_text()


@pytest.mark.parametrize("engine", ["csm", "system"])
@pytest.mark.parametrize("name", ["descriptors", "deleted", "threads"])
def test_what_a_child_loses_is_told(name: str, engine: str, tmp_path: Path) -> None:
    soak = soaked()
    soak.rests = [
        replace(rest, **{engine: replace(getattr(rest, engine), **{name: 5 + number // 4})})
        for number, rest in enumerate(soak.rests)
    ]
    assert not conclude(soak, tmp_path / "a")


@pytest.mark.parametrize("short", [range(10), range(40, 59)])
def test_of_children_the_one_that_lived_longest_is_judged(short: range, tmp_path: Path) -> None:
    """Another may hold something else, and is too young for what it holds to be constant."""
    soak = soaked()
    soak.rests = [
        replace(rest, csm=replace(rest.csm, pid=2 + (n in short), descriptors=5 + n * (n in short)))
        for n, rest in enumerate(soak.rests)
        if rest.csm is not None
    ]
    assert conclude(soak, tmp_path / "a")
