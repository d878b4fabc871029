"""VITS streamed: its sound made in chunks while the rest is still to come.

VITS lays out a whole sentence quickly, then spends nine tenths of its time in the waveform
decoder, a stack of convolutions. A convolution looks only so far: a window of the layout gives
the same samples as the whole, except within that reach of its ends.
"""

from collections.abc import Callable, Iterator
from math import ceil
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wyoming_csm.audio import Samples

CHUNK_FRAMES = 96  # about 1.1 s: larger comes later, smaller makes more of the margins twice


def in_chunks(model: Any, synthesize: Callable[[], object]) -> Iterator[Samples]:
    """Yield the sound that `synthesize()` has VITS `model` make, in chunks [samples]."""
    decoder = model.waveform_decoder
    layouts: list[tuple[Tensor, Tensor | None]] = []

    def put_aside(
        _: object, args: tuple[Tensor, ...], kwargs: dict[str, Tensor | None]
    ) -> tuple[tuple[Tensor, ...], dict[str, Tensor | None]]:
        layouts.append((args[0], kwargs.get("g")))
        return (args[0][..., :1],), kwargs

    with decoder.register_forward_pre_hook(put_aside, with_kwargs=True):
        synthesize()
    layout, speaker = layouts[0]  # [1, channels, frames], [1, channels, 1]
    margin = reach(model.args)
    for start, end in spans(layout.shape[-1]):
        left = max(0, start - margin)
        window = layout[..., left : end + margin]
        with torch.inference_mode():
            sound = decoder(window, g=speaker)  # [1, 1, samples]
        hop = sound.shape[-1] // window.shape[-1]
        chunk = sound[0, 0, (start - left) * hop : (end - left) * hop]
        yield chunk.float().cpu().numpy().astype(np.float32)


def spans(frames: int) -> Iterator[tuple[int, int]]:
    """Cut `frames` into chunks [start, end); the last is up to half as long again."""
    start = 0
    while frames - start >= CHUNK_FRAMES * 3 // 2:
        yield start, start + CHUNK_FRAMES
        start += CHUNK_FRAMES
    yield start, frames


def reach(args: Any) -> int:
    """Count the frames to either side that a sample of HiFi-GAN's generator depends on.

    Each upsampling makes a frame into more steps; a residual block adds its kernels' halves, times
    their dilations, in those steps. Blocks run side by side, so the widest counts.
    """
    inner = 1 if args.resblock_type_decoder == "1" else 0  # a second, undilated convolution
    widest = max(
        sum((kernel - 1) // 2 * (dilation + inner) for dilation in dilations)
        for kernel, dilations in zip(
            args.resblock_kernel_sizes_decoder, args.resblock_dilation_sizes_decoder, strict=True
        )
    )
    frames, rate = 3.0, 1  # the first convolution: kernel 7
    for upsample, kernel in zip(
        args.upsample_rates_decoder, args.upsample_kernel_sizes_decoder, strict=True
    ):
        frames += kernel / upsample / rate
        rate *= upsample
        frames += widest / rate
    return ceil(frames + 3 / rate)
