"""Compiled parts say what eager ones say, are compiled once, and are left out where they cannot."""

import logging
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch._dynamo.utils import counters
from torch._inductor.utils import run_and_get_code

from benchmarks.fixtures.random_csm import make_tiny_csm
from wyoming_csm.model import attention
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.model.csm import ABSENT, CsmModel
from wyoming_csm.model.frame import FrameParts, runs_compiled
from wyoming_csm.model.generator import FrameGenerator
from wyoming_csm.model.rows import row_buckets
from wyoming_csm.model.sampling import Sampling

# torch's own, when its compiler is imported.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
CPU = torch.device("cpu")
SAMPLED = Sampling(temperature=0.9, top_k=20, depth_temperature=0.9, depth_top_k=20)
LAYERS = 2  # of each transformer here
POSITIONS = 200  # of a slot: no whole number of what is read at a time
_CALLS = re.compile(r"(?:cpp_fused\w*|extern_kernels\.\w+|torch\.ops\.[\w.]+)\(")


@pytest.fixture(autouse=True)
def compiler(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a new process; what a test sets for it is gone afterwards."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "restored afterwards")
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> CsmModel:
    folder = make_tiny_csm(tmp_path_factory.mktemp("csm"), codebooks=4)
    return Checkpoint(folder).load(torch.float32, CPU)


def speak(generator: FrameGenerator) -> list[Tensor]:
    """Ragged prompts, alone and together, until they cross a bucket of lengths."""
    for slot in range(generator.slots):
        prompt = torch.full((52 + 7 * slot, 5), ABSENT)
        prompt[:, -1] = torch.arange(len(prompt)) % 50
        generator.prefill(slot, prompt, seed=slot)
    together: list[list[int]] = [[0], [0, 1], [0, 1, 2], [2]] * 4
    if generator.slots == 1:
        together = [[0]] * 26
    return [generator.step(active) for active in together]


def test_each_part_is_traced_once_for_one_row_and_once_for_several(
    model: CsmModel, tmp_path: Path
) -> None:
    """What the compiler is given, without its code: that takes a minute. Nothing is compiled again
    at any length for any rows, not at the last one either: that would be amid a capture."""
    expected = speak(FrameGenerator(model, 6, POSITIONS, SAMPLED))
    generator = FrameGenerator(model, 6, POSITIONS, SAMPLED)
    with torch.compiler.set_stance("default", force_backend="eager"):
        assert generator.compile(tmp_path)
        traced = dict(counters["stats"])
        assert all(torch.equal(*pair) for pair in zip(speak(generator), expected, strict=True))
        with torch._dynamo.config.patch(error_on_recompile=True):
            for rows in row_buckets(6):
                generator.decode_frame(rows)
                for length in generator.lengths():
                    generator.backbone_step(rows, length)
    assert traced["unique_graphs"] == 3 * 2
    assert counters["stats"] == traced
    assert not counters["graph_break"]


def test_a_product_of_one_row_joins_what_is_around_it(
    model: CsmModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By an option that only GPUs heed: a frame's launches there are counted by its blueprint."""
    options: list[object] = []
    monkeypatch.setattr(torch, "compile", lambda part, **words: options.append(words["options"]))
    FrameParts(model, SAMPLED).compile(lambda: None, tmp_path)
    assert options == [{"coordinate_descent_tuning": True}] * 3


def test_flash_attn_leaves_each_part_whole(
    model: CsmModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = speak(FrameGenerator(model, 3, 256, SAMPLED))
    monkeypatch.setattr(attention, "serves_flash", lambda sizes, dtype, device: True)
    monkeypatch.setitem(sys.modules, "flash_attn", FakeFlash("flash_attn"))
    generator = FrameGenerator(model, 3, 256, SAMPLED)
    with torch.compiler.set_stance("default", force_backend="eager"):
        assert generator.compile(tmp_path)
        assert all(torch.equal(*pair) for pair in zip(speak(generator), expected, strict=True))
    assert counters["stats"]["unique_graphs"] == 3 * 2
    assert not counters["graph_break"]


class FakeFlash(ModuleType):
    """What it computes, by torch's own means."""

    @staticmethod
    def flash_attn_with_kvcache(
        q: Tensor, keys: Tensor, values: Tensor, *, cache_seqlens: Tensor
    ) -> Tensor:
        past = torch.arange(keys.shape[1]) < cache_seqlens[:, None]
        q, keys, values = (x.transpose(1, 2) for x in (q, keys, values))
        mask = past[:, None, None]
        return F.scaled_dot_product_attention(q, keys, values, mask, enable_gqa=True).transpose(
            1, 2
        )


@pytest.mark.parametrize("tensor", ["at.position", "cos", "sin"])
def test_what_the_steps_differ_in_begins_where_compiled_code_wants_it(
    model: CsmModel, tensor: str
) -> None:
    """At 16 bytes: on a GPU it copies what does not, in every frame."""
    for step in model.depth.steps():
        assert attrgetter(tensor)(step).data_ptr() % 16 == 0


@pytest.mark.weekly  # 50 s of g++; what is traced, and what it says, is above
@pytest.mark.skipif(
    not shutil.which("g++") or not Path(sysconfig.get_path("include"), "Python.h").exists(),
    reason="needs a C++ compiler and Python.h (apt-get install g++ python3-dev)",
)
def test_compiled_parts_say_the_same_from_few_kernels(model: CsmModel, tmp_path: Path) -> None:
    expected = speak(FrameGenerator(model, 1, POSITIONS, SAMPLED))
    generator = FrameGenerator(model, 1, POSITIONS, SAMPLED)
    compiled, codes = run_and_get_code(generator.compile, tmp_path)
    assert compiled
    # Of the real size by what a block takes here at most: start, 30 steps, backbone. The bar: 1500.
    start, step, backbone = (calls(code) / LAYERS for code in codes)
    assert 4 * start + 30 * 4 * step + 16 * backbone <= 1500
    assert all(torch.equal(*pair) for pair in zip(speak(generator), expected, strict=True))
    for length in generator.lengths():
        generator.backbone_step(1, length)
    assert counters["stats"]["unique_graphs"] == 3

    torch._dynamo.reset()
    counters.clear()
    assert FrameGenerator(model, 1, POSITIONS, SAMPLED).compile(tmp_path)
    assert counters["inductor"]["fxgraph_cache_hit"] == 3  # all of it was on the disk


def calls(code: str) -> int:
    """Of kernels, in what the compiler wrote for one part."""
    return len(_CALLS.findall(code[code.index("def call(") :]))


def test_without_a_compiler_it_speaks_as_before(
    model: CsmModel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected = speak(FrameGenerator(model, 3, 256, SAMPLED))
    generator = FrameGenerator(model, 3, 256, SAMPLED)
    with torch._inductor.config.patch({"cpp.cxx": ("/there/is/none",)}):
        assert not generator.compile(tmp_path)
    (line,) = [r for r in caplog.records if r.name.startswith("wyoming_csm")]
    assert line.levelno == logging.WARNING
    assert "goes on without: No working C++ compiler" in line.getMessage()
    assert all(torch.equal(*pair) for pair in zip(speak(generator), expected, strict=True))


class TritonError(Exception):
    """Triton's own are of no kind that PyTorch's compiler has."""


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (
            TritonError("out of resource: shared memory\nmore of it"),
            "out of resource: shared memory",
        ),
        (subprocess.CalledProcessError(1, ["gcc", "-lcuda"]), "['gcc', '-lcuda']"),
        (KeyError(), "KeyError"),
    ],
)
def test_whatever_a_compiler_raises_it_speaks_uncompiled(
    model: CsmModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    cause: str,
) -> None:
    expected = speak(FrameGenerator(model, 1, 256, SAMPLED))

    def compile_part(*_: object, **__: object) -> NoReturn:
        raise error

    monkeypatch.setattr(torch, "compile", lambda *_, **__: compile_part)
    generator = FrameGenerator(model, 1, 256, SAMPLED)
    assert not generator.compile(tmp_path)
    (line,) = [r for r in caplog.records if r.name.startswith("wyoming_csm")]
    assert line.levelno == logging.WARNING
    assert line.getMessage().startswith("torch.compile cannot be used here, it goes on without: ")
    assert cause in line.getMessage()
    assert "more of it" not in line.getMessage()
    assert all(torch.equal(*pair) for pair in zip(speak(generator), expected, strict=True))


def test_no_memory_is_the_callers_to_judge(tmp_path: Path) -> None:
    def trial() -> None:
        raise torch.OutOfMemoryError

    with pytest.raises(torch.OutOfMemoryError):
        runs_compiled(trial, tmp_path)


def test_a_folder_that_cannot_be_made_is_no_reason_to_fail(model: CsmModel, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert not FrameGenerator(model, 1, 256, SAMPLED).compile(tmp_path / "file" / "folder")


def test_what_a_killed_process_left_is_not_used(tmp_path: Path) -> None:
    """Half a library on disk would stop every later start from compiling."""
    folder = tmp_path / "compiled"
    half = folder / "half.so"

    def killed() -> None:
        half.touch()
        raise KeyboardInterrupt

    def whole() -> None:
        assert not half.exists()
        (folder / "whole.so").touch()

    with pytest.raises(KeyboardInterrupt):
        runs_compiled(killed, folder)
    assert runs_compiled(whole, folder)
    assert runs_compiled(lambda: None, folder)
    assert [path.name for path in folder.iterdir()] == ["whole.so"], "what is whole stays"


def test_a_folder_of_the_users_is_used_and_never_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, folder = tmp_path / "theirs", tmp_path / "compiled"
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(theirs))
    for path in (theirs, folder):
        path.mkdir()
        (path / "unfinished").touch()
    assert runs_compiled(lambda: None, folder)
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(theirs)
    assert (theirs / "unfinished").exists()
