"""docs/faults.md against the switch and the tests: no fault without an answer that is tested."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest

from tests.faults.drill import Drill
from tests.test_imports import MODULES, imported
from wyoming_csm.config import EngineName
from wyoming_csm.faults import DOOR, FAULTS, OF_CSM, VARIABLE, Switch, switch_of

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
PAGE = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")


def rows() -> list[SimpleNamespace]:
    """The rows of all tables but their heads."""
    cells = [re.split(r" *\| *", line)[1:-1] for line in PAGE.splitlines() if line[:2] == "| "]
    heads = {"what fails"}
    return [
        SimpleNamespace(what=what, lines=re.findall(r"`(.+?)`", lines), answer=answer, test=test)
        for what, lines, answer, test in cells
        if what not in heads
    ]


def named_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = (getattr(node, "name", "") for node in tree.body)
    return {f"{path.relative_to(ROOT)}::{name}" for name in names if name.startswith("test_")}


def test_each_row_has_an_answer_and_a_test_and_each_test_a_row() -> None:
    assert len(rows()) > 15
    assert all(row.answer for row in rows())
    named = {row.test.strip("`") for row in rows()}
    files = {ROOT / name.partition("::")[0] for name in named}
    there = set().union(*map(named_in, files))
    here = [path for path in HERE.glob("test_*.py") if path != Path(__file__)]
    assert named - there == set(), "no such test"
    assert set().union(*map(named_in, here)) - named == set(), "no row"


def test_each_fault_of_the_switch_has_a_row_and_each_line_is_one() -> None:
    lines = [line.split() for row in rows() for line in row.lines]
    assert {kind for who, kind, *_ in lines if who != DOOR} == set(OF_CSM)
    assert {kind for who, kind, *_ in lines if who == DOOR} == set(FAULTS[DOOR])
    for who, kind, *number in lines:
        meaning = FAULTS[who][kind]
        assert len(number) == bool(meaning), f"{who} {kind}: {meaning or 'no number'}"
        if who == "system" and meaning == FAULTS[who]["die"]:
            assert int(number[0]) <= 1, "a long sentence has two parts of 4 s"
    assert set(FAULTS) == {DOOR, *get_args(EngineName)}


def test_each_fault_of_the_switch_is_tried() -> None:
    """In the door, and in a child, be it a fake one."""
    paths = [path for path in HERE.glob("test_*.py") if path != Path(__file__)]
    tried = {(who == DOOR, kind) for path in paths for who, kind in tried_in(path)}
    there = {(who == DOOR, kind) for who, kinds in FAULTS.items() for kind in kinds}
    assert there - tried == set()


def tried_in(path: Path) -> Iterator[tuple[str, str]]:
    """Yield who, and what goes wrong with it, of each line that a file's tests give to
    `drill.set`, with all values of a name there."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    for node in nodes:
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="drill"), attr="set"), args=lines):
                for who, kind, *_ in filter(None, (template(line).split() for line in lines)):
                    for value in values_of(kind[1:-1], nodes) if kind[0] == "{" else [kind]:
                        yield who, value


def template(line: ast.expr) -> str:
    """Return a string with the names in it as {name}; nothing for what is no string."""
    match line:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(map(template, parts))
        case ast.FormattedValue(value=value):
            return f"{{{ast.unparse(value)}}}"
    return ""


def values_of(name: str, nodes: list[ast.AST]) -> Iterator[str]:
    """Yield what a name goes through in a file: in loops, and as a parameter of tests."""
    for node in nodes:
        match node:
            case ast.For(target=ast.Name(id=looped), iter=values) if looped == name:
                yield from ast.literal_eval(values)
            case ast.Call(func=ast.Attribute(attr="parametrize"), args=[names, values]):
                several = ast.literal_eval(names)
                if several == name:
                    yield from ast.literal_eval(values)
                elif name in several and not isinstance(several, str):
                    yield from (row[several.index(name)] for row in ast.literal_eval(values))


# -- the switch


def test_it_says_what_goes_wrong_now(drill: Drill) -> None:
    switch = switch_of("csm")
    assert switch is not None
    assert switch.number("die") is None, "there is no file"
    drill.set("system die 1", "csm die 3", "csm unready", "csm die 4 5", "nonsense")
    assert (switch.number("die"), switch.number("unready"), switch.number("hang")) == (3, 0, None)
    drill.set("csm die three")
    assert switch.number("die") is None, "that is no number"
    drill.set()
    assert switch.number("die") is None


def test_where_it_is_off_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("", None):
        monkeypatch.delenv(VARIABLE, raising=False)
        if value is not None:
            monkeypatch.setenv(VARIABLE, value)
        assert switch_of("csm") is None


def test_it_is_looked_for_at_the_start_alone_and_what_is_faulty_is_loaded_then() -> None:
    """So it costs nothing where sound is made, and nothing of the network knows it."""
    near = {
        name: path
        for name, path in MODULES.items()
        if re.search(r"faults import|faulty_", path.read_text("utf-8"))
    }
    asked = {name for name, path in near.items() if "wyoming_csm.faults" in of(path)}
    faulty = {name for name in MODULES if name.rpartition(".")[2].startswith("faulty_")}
    assert asked - faulty == {
        "wyoming_csm.serve",
        "wyoming_csm.server.accepting",
        "wyoming_csm.worker.__main__",
        "wyoming_csm.worker.csm.load",
    }
    assert len(faulty) == 3
    for path in near.values():
        assert not faulty & of(path, at_import_only=True)


def of(path: Path, at_import_only: bool = False) -> set[str]:
    return {name for _, name in imported(path, at_import_only)}


def test_lines_that_say_nothing_are_told_once_and_the_others_hold(
    drill: Drill, caplog: pytest.LogCaptureFixture
) -> None:
    """By the server's own process, for all: whoever is meant may not be there."""
    wrong = ("csm dye 3", "cms die 0", "system nan 0", "door nan 0", "csm die 1 2", "csm")
    drill.set(*wrong, "", "csm die 3", "coqui die 0", "door stall")
    assert [Switch(drill.path, "csm").number("die"), Switch(drill.path, DOOR).number("stall")] == [
        3,
        0,
    ]
    assert not caplog.messages
    door = Switch(drill.path, DOOR, tells=True)
    assert [door.number(fault) for fault in ("stall", "block", "stall")] == [0, None, 0]
    assert sorted(caplog.messages) == sorted(
        f"{line!r} is no fault there is: see docs/faults.md" for line in wrong
    )


def test_a_file_that_says_nothing_makes_no_fault(tmp_path: Path) -> None:
    """Whatever bytes it has; that no process is harmed by them: `test_program.py`."""
    path = tmp_path / "faults"
    path.write_bytes(b"door dye 3\ndoor short nan\ndoor block inf\n\xff\xfe\ndoor clock -3\n")
    switch = Switch(path, DOOR)
    assert [switch.number(fault) for fault in ("short", "block", "clock")] == [None, None, -3]
    path.write_bytes(b"door clock 1e300\n")
    assert switch.number("clock") is None, "no log could be written: there is no such date"
