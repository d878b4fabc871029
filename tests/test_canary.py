"""Without the lock: what is newer, which tests fail, and which package breaks them."""

import subprocess
import sys
from pathlib import Path

import canary
import pytest
from package_calls import InstallError, Packages

SUITE = """
import pytest, {imports}
@pytest.mark.parametrize("words", ["with a blank", "other"])
def test_one(words):
    assert one.GOOD
def test_other():
    assert True
"""


class Shelf(Packages):
    """Puts modules into a folder where pip would install them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def pip(self, command: str, *words: str) -> str:
        name, _, version = words[-1].partition("==")
        if name == "unknown":
            raise InstallError("no such thing")
        good = version == "1"
        text = f"GOOD = {good}" if name != "early" or good else "raise ImportError('moved')"
        (self.folder / f"{name}.py").write_text(text)
        return ""


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setattr(canary, "ROOT", tmp_path)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # quicker, and none is needed
    (tmp_path / "script").symlink_to(Path(canary.__file__).parent)
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = ["one>=0,<9"]\n'
        "[project.optional-dependencies]\nhibari = []\ncsm = []\ncoqui = []\naac = []\ndev = []\n"
        "[dependency-groups]\nbuild = []\n"
    )
    found = Shelf(tmp_path)
    for name in ("one", "two", "early"):
        found.pip("install", f"{name}==2")
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("imports", "expected"),
    [
        ("one", {"one": {"test_it.py::test_one[with a blank]", "test_it.py::test_one[other]"}}),
        ("early", {"early": {"test_it.py"}}),  # not one of its tests can be collected
    ],
)
def test_the_package_that_breaks_tests_is_named(
    shelf: Shelf, imports: str, expected: dict[str, set[str]]
) -> None:
    suite = SUITE.format(imports=imports).replace("one.GOOD", f"{imports}.GOOD")
    (shelf.folder / "test_it.py").write_text(suite)
    python = Path(sys.executable)
    failed = canary.failing(python, ["-q", "-p", "no:cacheprovider"])
    assert failed is not None
    others = dict.fromkeys(("aaa", "unknown", "two", "one", "early"), ("1", "2"))
    assert canary.culprits(shelf, python, others, failed) == expected


def test_several_processes_report_together(shelf: Shelf) -> None:
    suite = SUITE.format(imports="one") + "def test_more():\n    assert one.GOOD\n"
    (shelf.folder / "test_it.py").write_text(suite)
    words = ["-q", "-p", "no:cacheprovider", "-p", "xdist", "-n", "2"]
    failed = canary.failing(Path(sys.executable), words)
    expected = ["test_more", "test_one[other]", "test_one[with a blank]"]
    assert failed == {f"test_it.py::{name}" for name in expected}


def test_what_passes_is_no_failure(shelf: Shelf) -> None:
    (shelf.folder / "test_it.py").write_text("def test_it(): pass\n")
    assert canary.failing(Path(sys.executable), ["-q", "-p", "no:cacheprovider"]) is None


def test_what_is_newer_than_the_lock() -> None:
    before = {"a": "1.0", "b": "2.0", "c": "3.0"}
    now = {"a": "1.0", "b": "2.1", "d": "1"}
    assert canary.differing(before, now) == {"b": ("2.0", "2.1")}


def test_the_lock_is_read_for_this_python() -> None:
    locked = canary.locked(Path(sys.executable))
    assert "torch" not in locked
    installed = subprocess.run(
        [sys.executable, "-c", "import numpy; print(numpy.__version__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert locked["numpy"].split(".")[0] == installed.stdout.split(".")[0]


def test_upper_bounds_are_left_out() -> None:
    lines = canary.unbounded()
    assert not [line for line in lines if "<" in line.partition(";")[0]]
    assert "transformers>=5.17" in lines
