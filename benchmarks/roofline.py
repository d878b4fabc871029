"""What a frame reads at least: the bytes of its weights, which bound how fast it can be."""

from torch import nn

from wyoming_csm.model.csm import CsmModel


def bytes_per_frame(model: CsmModel) -> int:
    """Weights read for one frame of any number of slots.

    The depth decoder's layers once a pass, everything else once; of tables a few vectors are
    read, which are left out.
    """
    passes = model.sizes.codebooks - 1
    depth = model.depth
    once = (model.backbone, model.head, depth.projection, depth.heads)
    return sum(map(_bytes, once)) + passes * _bytes(depth.transformer)


def _bytes(module: nn.Module) -> int:
    return sum(tensor.nbytes for tensor in module.state_dict().values())
