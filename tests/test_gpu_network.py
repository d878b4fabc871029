"""On a CUDA GPU: attention, the frame's parts without a read by the host, and compiled."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks.fixtures.random_csm import make_tiny_csm
from wyoming_csm.model.attention import (
    UniformPosition,
    step_attention,
    step_masks,
    uniform_attention,
)
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.model.config import LlamaSizes
from wyoming_csm.model.csm import ABSENT
from wyoming_csm.model.generator import FrameGenerator
from wyoming_csm.model.kv_cache import KvCache
from wyoming_csm.model.sampling import Sampling

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU on this machine"),
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning"),
]
CPU, GPU = torch.device("cpu"), torch.device("cuda")
BACKBONE = LlamaSizes(1, 2048, 8192, 32, 8, 64, 1e-5, 2048, 5e5, None)
DEPTH = LlamaSizes(1, 1024, 8192, 8, 2, 128, 1e-5, 32, 5e5, None)


def attend(
    sizes: LlamaSizes, positions: list[int], dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Through flash-attn where that is installed and the type is half."""
    generator = torch.Generator().manual_seed(0)
    rows = len(positions)
    cache = KvCache.allocate(sizes, rows, sizes.positions - 1, dtype, device)
    layer = cache.layers[0]
    layer.copy_(torch.randn(layer.shape, generator=generator))
    q = torch.randn(rows, 1, sizes.heads, sizes.head_dim, generator=generator)
    kv = torch.randn(rows, 1, 2 * sizes.kv_heads, sizes.head_dim, generator=generator)
    q, kv, at = q.to(device, dtype), kv.to(device, dtype), torch.tensor(positions, device=device)
    if sizes is BACKBONE:
        mask = step_masks(sizes, sizes.positions, dtype, device)(at)
        call = step_attention(at, mask, 640)
    else:
        past = torch.arange(sizes.positions, device=device) <= positions[0]
        call = uniform_attention(UniformPosition(at[:1], past, positions[0] + 1))
    return call(layer, q, kv).float().cpu()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    ("sizes", "positions"), [(BACKBONE, [0, 100, 639]), (DEPTH, [2, 2]), (DEPTH, [31, 31])]
)
def test_attention_equals_the_cpus(
    sizes: LlamaSizes, positions: list[int], dtype: torch.dtype
) -> None:
    expected = attend(sizes, positions, torch.float32, CPU)
    found = attend(sizes, positions, dtype, GPU)
    torch.testing.assert_close(
        found, expected, rtol=0, atol=1e-4 if dtype == torch.float32 else 3e-2
    )


def make_generator(folder: Path) -> FrameGenerator:
    model = Checkpoint(folder).load(torch.float32, GPU)
    return FrameGenerator(model, 4, 256, Sampling(top_k=20, depth_top_k=20))


def prefill(generator: FrameGenerator) -> None:
    for slot in range(4):
        tokens = torch.full((50 + 5 * slot, 9), ABSENT)
        tokens[:, -1] = torch.arange(len(tokens)) % 50
        generator.prefill(slot, tokens, seed=slot)


def test_a_frame_never_makes_the_host_wait(tmp_path: Path) -> None:
    generator = make_generator(make_tiny_csm(tmp_path, codebooks=8))
    prefill(generator)
    generator.step(range(4))  # libraries set themselves up
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        generator.decode_frame(4)
        generator.backbone_step(4, 128)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_compiled_codes_equal_the_eager_ones(tmp_path: Path) -> None:
    folder = make_tiny_csm(tmp_path / "csm", codebooks=8)
    eager, compiled = make_generator(folder), make_generator(folder)
    torch._dynamo.reset()
    if not compiled.compile(tmp_path / "compiled"):
        pytest.skip("nothing compiles here")
    prefill(eager)
    prefill(compiled)
    for active in ([0], [0, 1, 2], [0, 1, 2, 3]) * 8:
        assert torch.equal(eager.step(active), compiled.step(active))
