"""The table of guards fits the source: each text is there once, and each test is one."""

import ast
from collections import Counter
from functools import cache

import pytest

from tests.guards.__main__ import ROOT, main
from tests.guards.table import GUARDS, Guard


@cache
def functions_of(name: str) -> frozenset[str]:
    tree = ast.parse((ROOT / "tests" / name).read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in tree.body if isinstance(node, functions))


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.words)
def test_a_guard_is_where_the_table_says(guard: Guard) -> None:
    source = (ROOT / "wyoming_csm" / guard.file).read_text(encoding="utf-8")
    assert source.count(guard.text) == 1, "write into tests/guards/table.py what it is now"
    ast.parse(source.replace(guard.text, guard.instead))
    file, _, test = guard.test.partition("::")
    assert test in functions_of(file), "write into tests/guards/table.py what its test is now"


def test_words_of_no_guard_are_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--only", "of no guard"])
    assert ended.value.code == 2
    assert "no guard's words or file hold 'of no guard'" in capsys.readouterr().err


def test_no_guard_stands_there_twice() -> None:
    assert not [words for words, n in Counter(one.words for one in GUARDS).items() if n > 1]
    assert len(GUARDS) >= 60
