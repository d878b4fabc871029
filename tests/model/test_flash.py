"""flash-attn is taken where it works, tried once; else it is left out, and a line says why."""

import logging
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from wyoming_csm.model import attention
from wyoming_csm.model.attention import step_attention, step_masks
from wyoming_csm.model.config import LlamaSizes
from wyoming_csm.model.kv_cache import KvCache

CPU, GPU = torch.device("cpu"), torch.device("cuda")
SIZES = LlamaSizes(1, 64, 64, 4, 2, 16, 1e-5, 64, 1e4, None)
HALF = torch.float16
UNDEFINED = "flash_attn_2_cuda.so: undefined symbol: _ZN3c105ErrorC2E"


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """A GPU's compute capability; the step that is tried is computed on the CPU."""
    capability = [8, 0]
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: tuple(capability))
    tried = attention.flash_fault
    monkeypatch.setattr(
        attention, "flash_fault", lambda sizes, dtype, device: tried(sizes, dtype, CPU)
    )
    yield capability
    sys.modules.pop("flash_attn", None)


def install(folder: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that this process can find."""
    (folder / "flash_attn").mkdir()
    (folder / "flash_attn/__init__.py").write_text(code)
    monkeypatch.syspath_prepend(folder)


WORKS = "def flash_attn_with_kvcache(q, keys, values, *, cache_seqlens): return q + 1"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_one_that_works_is_taken(
    card: list[int],
    dtype: torch.dtype,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    install(tmp_path, WORKS, monkeypatch)
    assert attention.serves_flash(SIZES, dtype, GPU)
    assert not attention.serves_flash(SIZES, dtype, CPU)
    assert not caplog.records


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (f"raise ImportError({UNDEFINED!r})", UNDEFINED),
        ("raise OSError('libcudart.so.12: cannot open shared object file')", "libcudart.so.12"),
        ("import torch; torch.gone", "no attribute 'gone'"),
        ("raise Exception", "Exception"),
        ("", "flash_attn_with_kvcache"),  # flash-attn 1
        (
            "def flash_attn_with_kvcache(*_, **__):\n"
            "    raise RuntimeError('CUDA error: no kernel image is available\\nfor this')",
            "CUDA error: no kernel image is available",
        ),
    ],
)
def test_a_broken_one_is_left_out(
    card: list[int],
    code: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    install(tmp_path, code, monkeypatch)
    assert not attention.serves_flash(SIZES, HALF, GPU)
    (line,) = caplog.records
    assert line.levelno == logging.WARNING
    assert line.getMessage().startswith("flash-attn is left out, PyTorch's own attention is used: ")
    assert said in line.getMessage()


def test_one_that_cannot_serve_is_not_even_imported(
    card: list[int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    install(tmp_path, "raise SystemExit", monkeypatch)
    card[:] = [7, 5]
    assert not attention.serves_flash(SIZES, HALF, GPU)
    assert not attention.serves_flash(SIZES, torch.float32, GPU)
    older, type_ = (record.getMessage() for record in caplog.records)
    assert "compute capability below 8.0" in older
    assert "float32" in type_


def test_where_it_is_not_installed_nothing_is_said(
    card: list[int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not attention.serves_flash(SIZES, HALF, GPU)
    assert not caplog.records


def test_no_memory_is_not_its_fault(
    card: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "import torch; raise torch.OutOfMemoryError('full')", monkeypatch)
    with pytest.raises(torch.OutOfMemoryError):
        attention.serves_flash(SIZES, HALF, GPU)


@pytest.mark.parametrize("works", [True, False])
def test_a_step_asks_what_was_found_at_load(works: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not itself, in every frame: that would be in the middle of a capture."""
    called: list[str] = []
    package = ModuleType("flash_attn")
    package.__spec__ = ModuleSpec("flash_attn", None)

    def with_kvcache(q: Tensor, *_: Tensor, cache_seqlens: Tensor) -> Tensor:
        called.append("flash-attn")
        return q.clone()

    package.flash_attn_with_kvcache = with_kvcache  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "flash_attn", package)
    monkeypatch.setattr(attention, "serves_flash", lambda *_: works)
    masks = step_masks(SIZES, 64, torch.float32, CPU)
    cache = KvCache.allocate(SIZES, 1, 63, torch.float32, CPU)
    at = torch.tensor([3])
    q, kv = torch.randn(1, 1, 4, 16), torch.randn(1, 1, 4, 16)
    attended = step_attention(at, masks(at), 64)(cache.layers[0], q, kv)
    assert attended.shape == (1, 64)
    assert called == ["flash-attn"] * works
