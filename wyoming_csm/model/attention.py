"""Attention that reads no more of the cache than it needs, by PyTorch or by flash-attn."""

import importlib
import importlib.util
import logging
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from wyoming_csm.model.config import LlamaSizes
from wyoming_csm.model.toolchain import is_at_least, said

# One layer's attention: its cache [rows, kv_heads, 2, positions, head_dim], q [rows, n, heads,
# head_dim], keys and values [rows, n, 2 * kv_heads, head_dim] → [rows * n, heads * head_dim].
# It writes the keys and values into the cache first.
Attention = Callable[[Tensor, Tensor, Tensor], Tensor]
Masks = Callable[[Tensor], Tensor | None]  # see `step_masks`

_LOGGER = logging.getLogger(__name__)
_FLASH = "flash_attn"
_OLDEST = (8, 0)  # of NVIDIA's compute capabilities, for flash-attn
_MULTIPLE = 64
_GROWTH = 1.33
_ALIGNMENT = 16  # numbers: CUDA's kernels read a mask whose lines begin at a multiple of so many


def length_bucket(n: int) -> int:
    """Return the length to read for rows that hold up to `n` positions.

    A multiple of 64 that is at most 1.33 · n (from 193 on), out of few: 13 below 2112.
    """
    bucket = _MULTIPLE
    while bucket < n:
        bucket = max(bucket + _MULTIPLE, int(_GROWTH * (bucket + 1)) // _MULTIPLE * _MULTIPLE)
    return bucket


def longest_bucket(positions: int) -> int:
    """Return the longest length that is read of a slot with so many positions."""
    return -(-positions // _MULTIPLE) * _MULTIPLE


def length_buckets(positions: int) -> list[int]:
    """Return all lengths that are read of a slot with so many positions, ascending."""
    longest = longest_bucket(positions)
    found = [min(length_bucket(1), longest)]
    while found[-1] < positions:
        found.append(min(length_bucket(found[-1] + 1), longest))
    return found


def prefix_mask(start: int, n: int, group: int, like: Tensor) -> Tensor | None:
    """Return [group * n, start + n]: what `n` positions from `start` on do not attend to is -inf.

    `group` q heads share a kv head; type and device are those of `like`. None: a single position
    attends to all of it.
    """
    if n == 1:
        return None
    end = start + n
    # Its lines begin where CUDA's kernels want them to: else each layer copies it.
    future = torch.full(
        (n, -(-end // _ALIGNMENT) * _ALIGNMENT), -torch.inf, dtype=like.dtype, device=like.device
    )
    return future.triu_(start + 1).repeat(group, 1)[:, :end]


def prefix_attention(start: int, n: int, mask: Tensor | None) -> Attention:
    """Attend from `n` positions from `start` on in every row, each to those the mask leaves it."""
    end = start + n

    def attend(layer: Tensor, q: Tensor, kv: Tensor) -> Tensor:
        rows, kv_heads = layer.shape[:2]
        # To [rows, kv_heads, 2, n, head_dim], and q to [rows, kv_heads, group, n, head_dim].
        written = kv.view(rows, n, 2, kv_heads, -1).permute(0, 3, 2, 1, 4)
        layer[:, :, :, start:end].copy_(written)
        group = q.shape[2] // kv_heads
        q = q.reshape(rows, n, kv_heads, group, -1).permute(0, 2, 3, 1, 4)
        q = q.reshape(rows * kv_heads, 1, group * n, -1)
        attended = F.scaled_dot_product_attention(q, *_read(layer, end), mask)
        attended = attended.view(rows, kv_heads, group, n, -1).permute(0, 3, 1, 2, 4)
        return attended.reshape(rows * n, -1)

    return attend


def step_masks(
    sizes: LlamaSizes, positions: int, dtype: torch.dtype, device: torch.device
) -> Masks:
    """Return what makes a step's mask, once for all layers, for slots of at most so many positions.

    From each row's position [rows] it makes [rows * kv_heads, 1, 1, all]: 0 up to there, then -inf.
    That is as wide as a slot whatever is read of it: so CUDA's kernels can take any part of it.
    It makes None where flash-attn works, which needs no mask.
    """
    if serves_flash(sizes, dtype, device):
        return lambda _: None
    span = torch.arange(longest_bucket(positions) + _MULTIPLE, device=device)
    span = span.expand(sizes.kv_heads, len(span))
    read = torch.zeros((), dtype=dtype, device=device)
    unread = torch.full((), -torch.inf, dtype=dtype, device=device)

    def mask(at: Tensor) -> Tensor:
        past = span <= at[:, None, None]  # [rows, kv_heads, all]
        return torch.where(past, read, unread).view(-1, 1, 1, past.shape[2])

    return mask


def step_attention(positions: Tensor, mask: Tensor | None, length: int) -> Attention:
    """Attend from one position of each row, its own [rows], to what `step_masks` leaves.

    All of it is below `length`, which is less than the cache's: a compiler that leaves it open
    need not ask whether all of the cache is read. Without a mask flash-attn attends, which reads
    each row's length from the device: it needs no bucket.
    """
    lengths = (positions + 1).to(torch.int32) if mask is None else None
    slots = torch.arange(len(positions), device=positions.device)

    def attend(layer: Tensor, q: Tensor, kv: Tensor) -> Tensor:
        rows, kv_heads = layer.shape[:2]
        layer[slots, :, :, positions] = kv.view(rows, 2, kv_heads, -1).transpose(1, 2)
        if lengths is not None:
            keys, values = layer.permute(2, 0, 3, 1, 4)  # [rows, positions, kv_heads, head_dim]
            attended: Tensor = flash(q, keys, values, lengths)  # [rows, 1, heads, head_dim]
            return attended.view(rows, -1)
        assert mask is not None
        # The q heads that share a kv head are query positions of it: nothing is expanded, and
        # CUDA's memory-efficient kernel takes the mask.
        q = q.reshape(rows * kv_heads, 1, -1, q.shape[-1])
        read = _read(layer, length)
        return F.scaled_dot_product_attention(q, *read, mask[..., :length]).view(rows, -1)

    return attend


@dataclass(eq=False)
class UniformPosition:
    """The position that all rows of a small cache are at; one compilation serves all positions.

    So compiled code reads tensors only: a number that changes would be part of the code.
    """

    position: Tensor  # [1]
    past: Tensor  # bool [positions], true up to there
    length: int  # how many these are


def uniform_attention(at: UniformPosition) -> Attention:
    """Attend from one position, the same of every row, to it and those before.

    What is behind it may be NaN, of a sentence before.
    """

    def attend(layer: Tensor, q: Tensor, kv: Tensor) -> Tensor:
        rows, kv_heads, _, _, head_dim = layer.shape
        layer[:, :, :, at.position] = kv.view(rows, 2, kv_heads, 1, head_dim).transpose(1, 2)
        if not torch.compiler.is_compiling():  # one kernel, where the sums would be a dozen
            q = q.reshape(rows * kv_heads, 1, -1, head_dim)
            return F.scaled_dot_product_attention(q, *_read(layer, at.length)).view(rows, -1)
        # The same as sums of products, which a compiler fuses into few loops.
        past = at.past
        both = layer[:, :, :, None, : len(past)].float()  # [rows, kv, 2, 1, n, dim]
        keys, values = torch.where(past[:, None], both, 0).unbind(2)
        wide = q.view(rows, kv_heads, -1, 1, head_dim).float()  # [rows, kv, group, 1, dim]
        scores = (wide * keys).sum(-1) * head_dim**-0.5  # [rows, kv, group, n]
        scores = torch.where(past, scores, -torch.inf)[..., None]
        if layer.is_cuda:
            # Of the products' shape it is no kernel of its own; a CPU would repeat it.
            scores = scores.expand(*scores.shape[:-1], head_dim)
        attended = (scores.softmax(-2) * values).sum(-2)  # [rows, kv, group, dim]
        return attended.to(q.dtype).view(rows, -1)

    return attend


def _read(layer: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Return views of keys and values [rows * kv_heads, 1, length, head_dim].

    One head each: what CUDA's kernels make of several comes back in another order.
    """
    keys, values = layer[:, :, :, :length].flatten(0, 1).unsqueeze(2).unbind(1)
    return keys, values


@torch.library.custom_op("wyoming_csm::flash", mutates_args=())
def flash(q: Tensor, keys: Tensor, values: Tensor, lengths: Tensor) -> Tensor:
    """Attend from q [rows, 1, heads, head_dim] to keys and values [rows, positions, kv_heads, …].

    Of each row the first `lengths` (int32) positions. To the shape of q; may stand in CUDA graphs.
    A compiler does not look into it.
    """
    function = importlib.import_module(_FLASH).flash_attn_with_kvcache
    attended: Tensor = function(q, keys, values, cache_seqlens=lengths)
    return attended.contiguous()


@flash.register_fake
def _(q: Tensor, keys: Tensor, values: Tensor, lengths: Tensor) -> Tensor:
    return q.new_empty(q.shape)


def serves_flash(sizes: LlamaSizes, dtype: torch.dtype, device: torch.device) -> bool:
    """Tell whether flash-attn is installed and works here; why one is left out is logged.

    To be asked once, when a model is loaded.
    """
    if device.type != "cuda" or importlib.util.find_spec(_FLASH) is None:
        return False
    cause: str | None
    if dtype not in (torch.float16, torch.bfloat16):
        cause = f"it does not compute in {str(dtype).removeprefix('torch.')}"
    elif not is_at_least(_OLDEST, device):
        cause = f"it serves no GPU of a compute capability below {_OLDEST[0]}.{_OLDEST[1]}"
    else:
        cause = flash_fault(sizes, dtype, device)
    if cause is not None:
        _LOGGER.warning("flash-attn is left out, PyTorch's own attention is used: %s", cause)
    return cause is None


def flash_fault(sizes: LlamaSizes, dtype: torch.dtype, device: torch.device) -> str | None:
    """Return what flash-attn says to the smallest step with these heads; None if it works.

    A build for another PyTorch cannot be imported; one without this GPU's kernels cannot be called.
    """
    q = torch.zeros(1, 1, sizes.heads, sizes.head_dim, dtype=dtype, device=device)
    kv = torch.zeros(1, 64, sizes.kv_heads, sizes.head_dim, dtype=dtype, device=device)
    try:
        flash(q, kv, kv, torch.ones(1, dtype=torch.int32, device=device)).cpu()  # waits for it
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        return said(error)
    return None
