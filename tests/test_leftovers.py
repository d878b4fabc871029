"""A run of tests that leaves a process behind fails, and says which test it was."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TESTS = """
import subprocess, sys

def test_tidy():
    subprocess.run([sys.executable, "-c", ""], check=True)

def test_untidy():  # nobody's child any more
    sleeper = [sys.executable, "-c", "print(flush=True); import time; time.sleep(60)"]
    parent = (
        "import subprocess as s;"
        f"s.Popen({sleeper!r}, stdout=s.PIPE, stderr=s.DEVNULL).stdout.read(1)"  # it runs now
    )
    subprocess.run([sys.executable, "-c", parent], check=True, stderr=subprocess.DEVNULL)
"""
CONFTEST = """
import pytest
from tests.leftovers import nothing_left

@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_behind():
    yield from nothing_left(grace=0.2)
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux's /proc")
def test_what_a_test_leaves_behind_fails_the_run_and_is_ended(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    words = ("-q", "-p", "no:cacheprovider")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, f"--rootdir={tmp_path}", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "2 passed, 1 error" in done.stdout
    assert "test_it.py::test_untidy (call) left process" in done.stdout
    assert "test_tidy" not in done.stdout
    assert is_gone(int(done.stdout.partition("left process ")[2].split()[0]))


def is_gone(pid: int) -> bool:
    """Or ended, but not waited for yet by who adopted it."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() == b""
    except OSError:
        return True
