"""Which build of torch a machine takes, by its driver and cards."""

import sys
from pathlib import Path

import pytest
from torch_build import Gpu, choose, installed, parse

NEW, OLD, BLACKWELL, ANCIENT = (580, 65, 6), (550, 54), (575, 57), (470, 82)


@pytest.mark.parametrize(
    ("driver", "card", "machine", "build"),
    [
        (NEW, (6, 1), "x86_64", "cu126"),
        (NEW, (7, 0), "x86_64", "cu126"),
        (NEW, (7, 5), "x86_64", "cu130"),
        (NEW, (8, 9), "x86_64", "cu130"),
        (NEW, (12, 0), "x86_64", "cu130"),
        (NEW, (9, 0), "aarch64", "cu130"),
        (OLD, (6, 1), "x86_64", "cu126"),
        (OLD, (7, 5), "x86_64", "cu126"),
        (OLD, (9, 0), "x86_64", "cu126"),
        (OLD, (9, 0), "aarch64", "cu126"),
        (OLD, (8, 7), "aarch64", "cpu"),
        (BLACKWELL, (12, 0), "x86_64", "cu129"),
        (OLD, (12, 0), "x86_64", "cpu"),
        (OLD, (10, 0), "aarch64", "cpu"),
        (ANCIENT, (8, 6), "x86_64", "cpu"),
        (NEW, (3, 5), "x86_64", "cpu"),
        (NEW, None, "x86_64", "cu130"),
        (OLD, None, "x86_64", "cu126"),
        (None, None, "x86_64", "cpu"),
    ],
)
def test_the_build(
    driver: tuple[int, ...] | None, card: tuple[int, ...] | None, machine: str, build: str
) -> None:
    gpu = Gpu(driver, (card,) if card else ())
    choice = choose(gpu, machine, (3, 13))
    assert choice.build == build
    assert bool(choice.reason) == (build == "cpu")


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("python", [(3, 11), (3, 12), (3, 13), (3, 14)])
def test_what_is_chosen_is_locked_for_this_python(machine: str, python: tuple[int, int]) -> None:
    """pip says nothing where no line of a file is for it, and installs all but torch."""
    cards = ((6, 1), (7, 5), (8, 0), (9, 0), (12, 0), None)
    builds = {
        choose(Gpu(driver, (card,) if card else ()), machine, python).build
        for driver in (NEW, OLD, BLACKWELL)
        for card in cards
    }
    assert "cu126" in builds
    for build in builds - {"cu130"}:  # the package index's own: one line for all
        text = (Path(__file__).parent.parent / f"requirements/torch-{build}.txt").read_text()
        marker = f"python_version == '3.{python[1]}' and platform_machine == '{machine}'"
        assert f"; {marker} \\" in text, build


def test_the_most_capable_card_decides() -> None:
    assert choose(Gpu(NEW, ((6, 1), (8, 9))), "x86_64").build == "cu130"


@pytest.mark.parametrize(
    ("gpu", "words"),
    [
        (Gpu((470, 82, 1), ((8, 6),), ("RTX 3060",)), ["RTX 3060, driver 470.82.1", "Update it"]),
        (Gpu(NEW, ((3, 5),), ("Tesla K40",)), ["Tesla K40", "no torch serves a card this old"]),
        (Gpu(), ["does nvidia-smi work here?"]),
    ],
)
def test_the_reason_names_card_driver_and_cure(gpu: Gpu, words: list[str]) -> None:
    reason = choose(gpu, "x86_64").reason
    assert all(word in reason for word in words), reason


@pytest.mark.parametrize(
    ("answer", "gpu"),
    [
        (
            "535.183.01, 8.9, NVIDIA GeForce RTX 4090\n535.183.01, 6.1, GTX 1080, Ti\n",
            Gpu((535, 183, 1), ((8, 9), (6, 1)), ("NVIDIA GeForce RTX 4090", "GTX 1080, Ti")),
        ),
        ("470.82.01, [N/A], Tesla K80\n", Gpu((470, 82, 1), (), ("Tesla K80",))),
        ('Field "compute_cap" is not a valid field to query.\n', None),
        ("", None),
        ("No devices were found\n", None),
    ],
)
def test_what_nvidia_smi_says(answer: str, gpu: Gpu | None) -> None:
    assert parse(answer) == gpu


@pytest.mark.parametrize(
    ("described", "cuda", "hip", "build"),
    [
        (False, None, None, ""),
        (True, None, None, "cpu"),
        (True, "13.0", None, "cu130"),
        (True, None, "7.2", "rocm"),
    ],
)
def test_the_torch_that_is_there(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    described: bool,
    cuda: str | None,
    hip: str | None,
    build: str,
) -> None:
    """One whose unpacking was interrupted has no description yet, and is none."""
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch/version.py").write_text(f"cuda = {cuda!r}\nhip = {hip!r}\n")
    if described:
        (tmp_path / "torch-2.13.0+x.dist-info").mkdir()
        (tmp_path / "torch-2.13.0+x.dist-info/METADATA").write_text(
            "Metadata-Version: 2.1\nName: torch\nVersion: 2.13.0+x\n"
        )
    others = [path for path in sys.path if "site-packages" not in path]
    monkeypatch.setattr(sys, "path", [str(tmp_path), *others])
    found = installed()
    assert (found.version, found.build) == ("2.13.0" if described else "", build)
