"""A sentence's sound, held back until there is enough of it to say that it was spoken."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from wyoming_csm.audio import BYTES_PER_SECOND
from wyoming_csm.errors import NoSound

LEAST_BYTES = BYTES_PER_SECOND // 20  # 0.05 s; an engine that gives less has not said the sentence


async def audible(sound: AsyncGenerator[bytes], least: int) -> AsyncGenerator[bytes]:
    """Yield the same, held back until there are `least` bytes. Raises NoSound if there never are.

    Closes `sound` when it is closed.
    """
    held = b""
    async with aclosing(sound):
        async for pcm in sound:
            if len(held) >= least:
                yield pcm
                continue
            held += pcm
            if len(held) >= least:
                yield held
    if len(held) < least:
        raise NoSound("it gave no sound")
