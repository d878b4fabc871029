"""What a step reads, and that reading less changes nothing."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from wyoming_csm.model.attention import (
    Masks,
    UniformPosition,
    length_bucket,
    prefix_attention,
    prefix_mask,
    step_attention,
    step_masks,
    uniform_attention,
)
from wyoming_csm.model.config import LlamaSizes
from wyoming_csm.model.kv_cache import KvCache

CPU = torch.device("cpu")
ROWS, HEADS, KV_HEADS, HEAD_DIM = 3, 8, 2, 16


def make_cache(
    positions: int, rows: int = ROWS, heads: int = HEADS, kv_heads: int = KV_HEADS
) -> KvCache:
    sizes = LlamaSizes(1, 64, 64, heads, kv_heads, HEAD_DIM, 1e-5, positions, 1e4, None)
    cache = KvCache.allocate(sizes, rows, positions, torch.float32, CPU)
    cache.layers[0].normal_(generator=torch.Generator().manual_seed(1))
    return cache


def make_inputs(
    n: int = 1, rows: int = ROWS, heads: int = HEADS, kv_heads: int = KV_HEADS
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    q = torch.randn(rows, n, heads, HEAD_DIM, generator=generator)
    return q, torch.randn(rows, n, 2 * kv_heads, HEAD_DIM, generator=generator)


def attend_slowly(cache: KvCache, q: Tensor, kv: Tensor, start: list[int]) -> Tensor:
    """Word for word: each query over its row's positions up to its own, head by head."""
    rows, n = q.shape[:2]
    attended = torch.zeros(rows, n, HEADS, HEAD_DIM)
    for row in range(rows):
        keys, values = cache.layers[0][row].clone().unbind(1)
        for i in range(n):
            keys[:, start[row] + i], values[:, start[row] + i] = (
                kv[row, i, :KV_HEADS],
                kv[row, i, KV_HEADS:],
            )
            for head in range(HEADS):
                shared = head // (HEADS // KV_HEADS)
                past = slice(0, start[row] + i + 1)
                scores = keys[shared, past] @ q[row, i, head] / math.sqrt(HEAD_DIM)
                attended[row, i, head] = scores.softmax(0) @ values[shared, past]
    return attended.flatten(2).flatten(0, 1)


def masks(positions: int, heads: int = HEADS, kv_heads: int = KV_HEADS) -> Masks:
    sizes = LlamaSizes(1, 64, 64, heads, kv_heads, HEAD_DIM, 1e-5, positions, 1e4, None)
    return step_masks(sizes, positions, torch.float32, CPU)


class KeysRead(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the positions of all rows that are handed to the attention kernel."""

    def __init__(self, kv_heads: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kv_heads = kv_heads
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if "scaled_dot_product" in func.__name__:
            keys = args[1]  # [rows * kv_heads, 1, length, head_dim]
            self.count += keys.shape[0] * keys.shape[1] * keys.shape[2] // self.kv_heads
        return func(*args, **(kwargs or {}))


def test_the_buckets_are_few_and_never_much_too_long() -> None:
    buckets = [length_bucket(n) for n in range(1, 2113)]
    assert all(n <= bucket <= max(n + 63, 1.33 * n) for n, bucket in enumerate(buckets, 1))
    assert all(bucket % 64 == 0 for bucket in buckets)
    assert buckets == sorted(buckets)
    assert len(set(buckets)) == 13


@pytest.mark.parametrize("position", [100, 600, 2000])
def test_a_step_reads_at_most_1_3_times_what_the_rows_hold(position: int) -> None:
    """In a cache of 2048 with the backbone's own numbers of heads."""
    cache = make_cache(2048, heads=32, kv_heads=8)
    q, kv = make_inputs(heads=32, kv_heads=8)
    positions = torch.tensor([position, position - 5, position])
    with KeysRead(kv_heads=8) as read:
        mask = masks(2048, 32, 8)(positions)
        step = step_attention(positions, mask, length_bucket(position + 1))
        step(cache.layers[0], q, kv)
    assert 0 < read.count <= 1.3 * int((positions + 1).sum())


@pytest.mark.parametrize("length", [64, 128, 256])
def test_a_step_attends_to_each_rows_own_past_and_reads_no_further(length: int) -> None:
    cache = make_cache(200)
    q, kv = make_inputs()
    start = [0, 37, 63]
    expected = attend_slowly(cache, q, kv, start)
    cache.layers[0][:, :, :, length:] = torch.nan
    at = torch.tensor(start)
    attended = step_attention(at, masks(200)(at), length)(cache.layers[0], q, kv)
    torch.testing.assert_close(attended, expected, rtol=0, atol=1e-6)
    for row, position in enumerate(start):
        assert torch.equal(cache.layers[0][row, :, 0, position], kv[row, 0, :KV_HEADS])
        assert torch.equal(cache.layers[0][row, :, 1, position], kv[row, 0, KV_HEADS:])


def test_the_first_rows_leave_the_others_alone() -> None:
    cache = make_cache(64)
    cache.layers[0][2] = torch.nan
    q, kv = make_inputs(rows=2)
    few = cache.first(2)
    at = torch.tensor([5, 6])
    attended = step_attention(at, masks(64)(at), 64)(few.layers[0], q, kv)
    assert not attended.isnan().any()
    assert cache.layers[0][2].isnan().all()


@pytest.mark.parametrize(("start", "n"), [(0, 1), (0, 2), (0, 9), (11, 1), (11, 9)])
def test_a_prefill_attends_to_its_past_and_itself(start: int, n: int) -> None:
    cache = make_cache(64)
    q, kv = make_inputs(n)
    expected = attend_slowly(cache, q, kv, [start] * ROWS)
    cache.layers[0][:, :, :, start + n :] = torch.nan
    mask = prefix_mask(start, n, HEADS // KV_HEADS, q)
    attended = prefix_attention(start, n, mask)(cache.layers[0], q, kv)
    torch.testing.assert_close(attended, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("position", [0, 2, 31])
def test_one_position_of_a_static_length_equals_its_prefix(position: int) -> None:
    cache, other = make_cache(32), make_cache(32)
    q, kv = make_inputs()
    cache.layers[0][:, :, :, position + 1 :] = torch.nan
    past = torch.arange(32) <= position
    attend = uniform_attention(UniformPosition(torch.tensor([position]), past, position + 1))
    attended = attend(cache.layers[0], q, kv)
    expected = prefix_attention(position, 1, None)(other.layers[0], q, kv)
    torch.testing.assert_close(attended, expected, rtol=0, atol=1e-6)
    assert torch.equal(cache.layers[0][:, :, :, position], other.layers[0][:, :, :, position])


def test_what_is_saved_is_restored_and_moved_as_it_was() -> None:
    cache = make_cache(64)
    block = cache.save(0, 20)
    assert block.shape[3] == 20
    assert block.nbytes == 20 * 2 * KV_HEADS * HEAD_DIM * 4
    before = cache.layers[0][0].clone()
    cache.layers[0][0] = torch.nan
    cache.restore(2, block)
    assert torch.equal(cache.layers[0][2, :, :, :20], before[:, :, :20])
    cache.move(2, 0, 20)
    assert torch.equal(cache.layers[0][0, :, :, :20], before[:, :, :20])
    assert not cache.layers[0][0, :, :, 20:].any()  # the NaN is gone
