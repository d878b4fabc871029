"""VITS streamed: its sound made in chunks while the rest is still to come.

VITS lays out a whole sentence quickly, then spends most of its time in the waveform decoder, a
stack of convolutions. A convolution looks only so far: a window of the layout gives the same
samples as the whole, except within that reach of its ends.
"""

import time
from collections.abc import Callable, Iterator
from math import ceil
from typing import Any

from wyoming_csm.audio import Samples

# At which it speaks better than its stretched sound. Each phoneme has a whole number of frames,
# rounded up: faster it would lose more words, and be far from as fast as it was asked to be.
SPEEDS = (0.5, 1.0)
FIRST, LEAST, MOST = 32, 48, 128  # frames of the first chunk and of later ones, 12 ms each

Decode = Callable[[int, int], Samples]  # the samples of a window [start, end) of the layout


def in_chunks(
    frames: int,
    margin: int,
    rate: int,
    decode: Decode,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[Samples]:
    """Yield the sound of a layout of so many frames in chunks [samples] at `rate` Hz.

    Each is decoded with `margin` frames to either side, work that larger chunks save; it is as
    large as can be decoded while half of the chunk before it is played.
    """
    start, size = 0, FIRST
    while start < frames:
        end = start + size if frames - start >= size * 3 // 2 else frames
        left, right = max(0, start - margin), min(frames, end + margin)
        began = clock()
        sound = decode(left, right)
        hop = len(sound) // (right - left)
        chunk = sound[(start - left) * hop : (end - left) * hop]
        each = max(1e-6, clock() - began) / (right - left)  # seconds for a frame
        yield chunk
        size = int(len(chunk) / rate / 2 / each) - 2 * margin
        start, size = end, min(MOST, max(LEAST, size))


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
