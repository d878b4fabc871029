"""flash-attn's step as one operator, which a compiler does not look into, where it works at all."""

import importlib
import importlib.util
import logging

import torch
from torch import Tensor

from wyoming_csm.model.config import LlamaSizes
from wyoming_csm.model.toolchain import is_at_least, said

_LOGGER = logging.getLogger(__name__)
_NAME = "flash_attn"
_OLDEST = (8, 0)  # of NVIDIA's compute capabilities


@torch.library.custom_op("wyoming_csm::flash", mutates_args=())
def flash(q: Tensor, keys: Tensor, values: Tensor, lengths: Tensor) -> Tensor:
    """q [rows, 1, heads, head_dim] over keys and values [rows, positions, kv_heads, head_dim].

    Of each row the first `lengths` (int32) positions. To the shape of q; may stand in CUDA graphs.
    """
    function = importlib.import_module(_NAME).flash_attn_with_kvcache
    heard: Tensor = function(q, keys, values, cache_seqlens=lengths)
    return heard.contiguous()


@flash.register_fake
def _(q: Tensor, keys: Tensor, values: Tensor, lengths: Tensor) -> Tensor:
    return q.new_empty(q.shape)


def serves(sizes: LlamaSizes, dtype: torch.dtype, device: torch.device) -> bool:
    """Whether flash-attn is installed and works here: asked once, when a model is loaded.

    Why an installed one is left out is logged.
    """
    if device.type != "cuda" or importlib.util.find_spec(_NAME) is None:
        return False
    cause: str | None
    if dtype not in (torch.float16, torch.bfloat16):
        cause = f"it does not compute in {str(dtype).removeprefix('torch.')}"
    elif not is_at_least(_OLDEST, device):
        cause = f"it serves no GPU of a compute capability below {_OLDEST[0]}.{_OLDEST[1]}"
    else:
        cause = fault(sizes, dtype, device)
    if cause is not None:
        _LOGGER.warning("flash-attn is left out, PyTorch's own attention is used: %s", cause)
    return cause is None


def fault(sizes: LlamaSizes, dtype: torch.dtype, device: torch.device) -> str | None:
    """What it says to the smallest step with these heads; None if it works.

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
