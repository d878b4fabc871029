"""The builds of torch that are locked by hand: each entry names what its markers ask for."""

import re
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from torch_build import VERSION

FILES = sorted((Path(__file__).resolve().parent.parent / "requirements").glob("torch-*.txt"))
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
MACHINES = ("x86_64", "aarch64")
WHEEL = re.compile(
    r"https://download\.pytorch\.org/whl/(?P<folder>\w+)/(?P<name>\w+)-(?P<version>[\d.]+)"
    r"%2B(?P<build>\w+)-cp(?P<python>\d+)-cp(?P=python)-manylinux_2_28_(?P<machine>\w+)\.whl"
)


@dataclass
class Entry:
    requirement: Requirement
    hashes: list[str]

    def covers(self) -> set[tuple[str, str]]:
        """Return the Pythons and machines that take this entry."""
        marker = self.requirement.marker
        return {
            (python, machine)
            for python, machine in product(PYTHONS, MACHINES)
            if marker is None
            or marker.evaluate({"python_version": python, "platform_machine": machine})
        }


def entries(file: Path) -> list[Entry]:
    text = file.read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    made = []
    for line in lines:
        words, *hashes = re.split(r"\s+--hash=sha256:", line.strip())
        made.append(Entry(Requirement(words), hashes))
    return made


@pytest.fixture(params=FILES, ids=lambda file: file.stem)
def file(request: pytest.FixtureRequest) -> Path:
    assert isinstance(request.param, Path)
    return request.param


def test_each_build_is_there() -> None:
    builds = [file.stem.removeprefix("torch-") for file in FILES]
    assert builds == ["cpu", "cu126", "cu129", "cu130"]


def test_every_entry_has_its_hashes(file: Path) -> None:
    for entry in entries(file):
        assert entry.hashes, entry.requirement
        assert len(set(entry.hashes)) == len(entry.hashes), entry.requirement
        assert all(re.fullmatch("[0-9a-f]{64}", found) for found in entry.hashes), entry.requirement
        assert entry.requirement.url or str(entry.requirement.specifier).startswith("==")


def test_a_url_agrees_with_its_markers(file: Path) -> None:
    for entry in entries(file):
        if entry.requirement.url is None:
            continue
        found = WHEEL.fullmatch(entry.requirement.url)
        assert found, entry.requirement.url
        assert found["name"] == entry.requirement.name
        assert found["folder"] == found["build"] == file.stem.removeprefix("torch-")
        assert found["name"] != "torch" or found["version"] == VERSION
        assert entry.covers() == {(f"3.{found['python'][1:]}", found["machine"])}
        assert len(entry.hashes) == 1


def test_no_package_is_named_twice_for_a_machine(file: Path) -> None:
    taken: set[tuple[str, str, str]] = set()
    for entry in entries(file):
        for python, machine in entry.covers():
            key = (entry.requirement.name, python, machine)
            assert key not in taken, key
            taken.add(key)


def test_no_file_belongs_to_two_entries() -> None:
    wheels = [entry.hashes[0] for file in FILES for entry in entries(file) if entry.requirement.url]
    assert len(wheels) == len(set(wheels))
