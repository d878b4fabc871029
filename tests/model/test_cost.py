"""What a frame costs with the real numbers of layers and codebooks: operations, host reads."""

from pathlib import Path

import pytest
import torch

from benchmarks.counting import OpCounter
from benchmarks.fixtures.random_csm import make_tiny_csm
from benchmarks.models import FULL_SIZE
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.model.csm import CsmModel
from wyoming_csm.model.frame import FrameParts
from wyoming_csm.model.kv_cache import KvCache
from wyoming_csm.model.sampling import Sampling

CPU = torch.device("cpu")


def count_frame(model: CsmModel, rows: int) -> OpCounter:
    """Of one eager frame. Not in inference mode, which hides what an operation is made of."""
    parts, sizes, device = FrameParts(model, Sampling()), model.sizes, model.device
    hidden = torch.zeros(rows, sizes.backbone.width, dtype=model.dtype, device=device)
    seeds = torch.zeros(rows, dtype=torch.long, device=device)
    positions, active = seeds + 100, seeds == 0
    temperatures = torch.ones(rows, device=device)
    depth_kv = KvCache.allocate(sizes.depth, rows, sizes.codebooks, model.dtype, device)
    kv = KvCache.allocate(sizes.backbone, rows, 256, model.dtype, device)
    counter = OpCounter()
    with torch.no_grad(), counter:
        codes = parts.decode_frame(hidden, seeds, positions, temperatures, depth_kv)
        parts.backbone_step(codes, hidden, active, positions, kv, 128)
    assert codes.shape == (rows, sizes.codebooks)
    return counter


@pytest.mark.parametrize(("rows", "most"), [(1, 3966), (4, 3998)])
def test_a_frame_is_few_operations_and_no_read_by_the_host(
    tmp_path: Path, rows: int, most: int
) -> None:
    """What was counted, never to grow without a reason; transformers has about 6600.

    An RMS norm is six of them on a CPU, and one kernel on a GPU.
    """
    depth = {
        "num_codebooks": 32,
        "backbone_hidden_size": 32,
        "vocab_size": 131,
        "hidden_size": 24,
        "intermediate_size": 48,
        "num_hidden_layers": 4,
        "num_attention_heads": 3,
        "num_key_value_heads": 1,
    }
    folder = make_tiny_csm(tmp_path, num_hidden_layers=16, depth_decoder_config=depth)
    counter = count_frame(Checkpoint(folder).load(torch.float32, CPU), rows)
    blocks = 16 + 31 * 4
    assert counter.ops.total() <= most
    assert counter.host_reads == 0
    assert counter.products == 4 * blocks + 32 + 1  # the heads, and the projection


def test_a_frame_of_the_full_size_runs_without_any_value() -> None:
    """On the meta device whatever the host would read is missing, and raises."""
    with torch.device("meta"):
        model = CsmModel(FULL_SIZE)
    assert count_frame(model.to("meta", torch.bfloat16), 2).host_reads == 0
