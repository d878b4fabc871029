"""flash-attn's step as one operator: a compiler calls it and does not look into it."""

import importlib

import torch
from torch import Tensor


@torch.library.custom_op("wyoming_csm::flash", mutates_args=())
def flash(q: Tensor, keys: Tensor, values: Tensor, lengths: Tensor) -> Tensor:
    """q [rows, 1, heads, head_dim] over keys and values [rows, positions, kv_heads, head_dim].

    Of each row the first `lengths` (int32) positions. To the shape of q; may stand in CUDA graphs.
    """
    function = importlib.import_module("flash_attn").flash_attn_with_kvcache
    heard: Tensor = function(q, keys, values, cache_seqlens=lengths)
    return heard.contiguous()


@flash.register_fake
def _(q: Tensor, keys: Tensor, values: Tensor, lengths: Tensor) -> Tensor:
    return q.new_empty(q.shape)
