"""The workflows: what they may do, and that known holes are looked up in all that is locked."""

import re
from pathlib import Path

import pytest
import yaml

from tests.documents import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
REQUIREMENTS = ROOT / "requirements"
READS = {"contents": "read"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_read_and_only_a_release_write(path: Path) -> None:
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert found["permissions"] == READS
    writes = [name for name, job in found["jobs"].items() if job.get("permissions", READS) != READS]
    assert writes == (["publish"] if path.stem == "release" else [])


def locked(name: str) -> set[str]:
    text = (REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z][\w.\[\]-]*==[^\s;]+)", text, re.MULTILINE))


def test_known_holes_are_looked_up_in_all_that_is_locked() -> None:
    canary = (ROOT / ".github/workflows/canary.yml").read_text(encoding="utf-8")
    (names,) = re.findall(r"for name in ([\w -]+); do\n *pipx run pip-audit", canary)
    looked_up = set().union(*map(locked, names.split()))
    others = [one.stem for one in REQUIREMENTS.glob("*.txt") if not one.stem.startswith("torch-")]
    assert {name: locked(name) - looked_up for name in others} == {name: set() for name in others}
    assert "torch-*.txt" in canary, "of these it looks up torch itself, by its version"
