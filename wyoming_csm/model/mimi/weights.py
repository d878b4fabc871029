"""A checkpoint's tensors into the encoder or the decoder, whichever layout wrote them.

Up to transformers 5.20 the codec's tensors were called `decoder.layers.0…`, `upsample…`,
`decoder_transformer…`; since 5.21 the model says `decoder.decoder_seanet.layers.0…`,
`decoder.upsample…`, `decoder.decoder_transformer…` and the same for the encoder. Here the older,
flat names are the common ones.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from wyoming_csm.errors import CheckpointError
from wyoming_csm.model.mimi.config import read_config
from wyoming_csm.model.mimi.convs import Weights
from wyoming_csm.model.mimi.decoder import MimiDecoder
from wyoming_csm.model.mimi.encoder import MimiEncoder

# A name without the `codec_model.` before it, and how to read its values when they are wanted.
NamedTensors = Iterable[tuple[str, Callable[[], Tensor]]]

_SEANET = re.compile(r"^(encoder|decoder)\.\1(?:_seanet)?\.layers\.")
_HALF = re.compile(r"^(?:en|de)coder\.(?=(?:(?:en|de)coder_transformer|(?:up|down)sample)\.)")
# What old files hold that is computed here.
_COMPUTED = r"|\.codebook\.initialized$|\.rotary_emb\.inv_freq$"
_NOT_DECODED = re.compile(
    r"^(?:encoder|encoder_transformer|downsample)\.|\.input_proj\.weight$" + _COMPUTED
)
_NOT_ENCODED = re.compile(
    r"^(?:decoder|decoder_transformer|upsample)\.|\.output_proj\.weight$" + _COMPUTED
)


def flat_name(name: str) -> str:
    """Return the name as it was before transformers 5.21; such a name stays itself."""
    return _HALF.sub("", _SEANET.sub(r"\1.layers.", name))


def is_encoded_with(name: str) -> bool:
    """True if the encoder needs the tensor of that name, flat or not."""
    return not _NOT_ENCODED.search(flat_name(name))


def load_decoder(
    config: Mapping[str, Any],
    tensors: NamedTensors,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> MimiDecoder:
    """Load the decoder of a checkpoint: its `codec_config`, its `codec_model.…` tensors.

    What only the encoder needs is not read. Raises CheckpointError for a variant that is not
    implemented and for missing, doubled, unknown or wrongly shaped tensors. Any `dtype` but
    float32 is for tests: in bfloat16 the sound is audibly worse.
    """
    decoder = MimiDecoder(read_config(config)).to(device=device, dtype=dtype)
    _fill(decoder, tensors, _NOT_DECODED)
    decoder.quantizer.finalize()
    return decoder


def load_encoder(
    config: Mapping[str, Any],
    tensors: NamedTensors,
    codebooks: int,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> MimiEncoder:
    """Load the encoder of a checkpoint, which finds the first `codebooks` codes of each frame.

    What only the decoder needs is not read. Raises CheckpointError as `load_decoder` does, and if
    there are fewer codebooks. Any `dtype` but float32 is for tests: it gives other codes.
    """
    encoder = MimiEncoder(read_config(config, codebooks), codebooks).to(device=device, dtype=dtype)
    _fill(encoder, tensors, _NOT_ENCODED)
    encoder.quantizer.finalize()
    return encoder


def _fill(model: nn.Module, tensors: NamedTensors, unneeded: re.Pattern[str]) -> None:
    """Read each tensor into its target. Raises CheckpointError."""
    missing = {
        f"{path}.{name}": target
        for path, module in model.named_modules()
        if isinstance(module, Weights)
        for name, target in module.targets().items()
    }
    for name, read in tensors:
        flat = flat_name(name)
        if unneeded.search(flat):
            continue
        target = missing.pop(flat, None)
        if target is None:
            raise CheckpointError(f"codec_model.{name}: unknown or twice in the checkpoint")
        values = read()
        if values.shape != target.shape:
            raise CheckpointError(
                f"codec_model.{name}: its shape is {list(values.shape)},"
                f" codec_config asks for {list(target.shape)}"
            )
        target.copy_(values)
    if missing:
        raise CheckpointError(f"codec_model.{min(missing)} and {len(missing) - 1} more are missing")
