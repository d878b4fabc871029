"""Why a GPU cannot be used: the right cure for each case."""

import pytest

from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.worker.csm.gpu_absence import Surroundings, check_code, explain, look

NVIDIA = frozenset({"nvidiactl"})
WSL = frozenset({"dxg"})
AMD = frozenset({"kfd"})


@pytest.mark.parametrize(
    ("here", "reason", "cure"),
    [
        (Surroundings(), "no GPU is here", "another engine speaks"),
        (Surroundings(cuda="13.0"), "no GPU is here", "another engine speaks"),
        (Surroundings(devices=WSL), "no GPU is here", "another engine speaks"),  # always there
        (Surroundings(card=True), "a build without CUDA", "TORCH=cu130"),
        (Surroundings(devices=NVIDIA, library=(13, 0)), "without CUDA", "TORCH=cu130"),
        (Surroundings(devices=NVIDIA, library=(12, 4)), "without CUDA", "TORCH=cu126"),
        (Surroundings(devices=NVIDIA, library=(11, 4)), "without CUDA", "update the driver to 580"),
        (Surroundings(devices=WSL, library=(13, 0)), "without CUDA", "./run.sh again"),
        (Surroundings(devices=AMD), "an AMD GPU is here", "ROCm wheels"),
        (Surroundings(cuda="13.0", devices=AMD), "an AMD GPU is here", "ROCm wheels"),
        (Surroundings(hip="7.2"), "PyTorch finds no AMD GPU", "rocminfo"),
        (Surroundings(cuda="13.0", card=True), "driver is not loaded", "install the NVIDIA driver"),
        (
            Surroundings(cuda="13.0", container=True, kernel_driver=True),
            "the container was given no GPU",
            "the host needs the NVIDIA Container Toolkit",
        ),
        (
            Surroundings(cuda="13.0", container=True),
            "the container was given no GPU",
            "the host needs the NVIDIA driver and the NVIDIA Container Toolkit",
        ),
        (
            Surroundings(cuda="13.0", container=True, devices=NVIDIA),
            "libcuda.so.1) is missing",
            "let the NVIDIA Container Toolkit",
        ),
        (Surroundings(cuda="13.0", devices=NVIDIA), "libcuda.so.1) is missing", "nvidia-driver"),
        (Surroundings(cuda="13.0", devices=WSL), "to WSL", "driver in Windows"),
        (
            Surroundings(cuda="13.0", devices=NVIDIA, library=(12, 4)),
            "it knows CUDA 12.4, PyTorch needs 13.0",
            "update the driver to 580 or newer; or start ./run.sh again",
        ),
        (
            Surroundings(cuda="12.6", devices=NVIDIA, library=(12, 4)),
            "though the driver is here",
            "nvidia-smi",
        ),
        (
            Surroundings(cuda="13.0", devices=NVIDIA, library=(13, 0), hidden=True),
            "CUDA_VISIBLE_DEVICES",
            "unset it",
        ),
    ],
)
def test_each_case_has_its_cure(here: Surroundings, reason: str, cure: str) -> None:
    found = explain(here)
    assert reason in found.reason
    assert cure in found.cure


CU130 = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120"]
CU126 = ["sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90"]


@pytest.mark.parametrize(
    ("card", "build", "cure"),
    [
        ((8, 9), CU130, None),
        ((12, 1), CU130, None),
        ((13, 0), CU130, None),  # compiled by the driver
        ((6, 1), CU126, None),
        ((6, 1), CU130, "TORCH=cu126"),
        ((12, 0), CU126, "update the driver to 580 or newer, then .* TORCH=cu130"),
        ((3, 5), CU126, "another engine speaks"),
    ],
)
def test_which_cards_a_build_serves(
    card: tuple[int, int], build: list[str], cure: str | None
) -> None:
    if cure is None:
        check_code(card, build, "it")
    else:
        with pytest.raises(EngineUnavailable, match=rf"capability {card[0]}.{card[1]}\).*{cure}"):
            check_code(card, build, "it")


def test_this_machine_can_be_looked_at() -> None:
    assert explain(look()).cure
