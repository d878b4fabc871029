"""How much of what was freed glibc keeps for this process; without glibc nothing is done here."""

import ctypes
import sys
from collections.abc import Callable

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # malloc.h
_MOST = 2
_LARGE_BYTES = 128 * 1024  # glibc's own threshold, until the first of such a size is freed


def share_arenas() -> None:
    """Let all threads allocate from two arenas, and what is large come and go by itself.

    Else each thread gets one of its own, up to eight for each core, and all of them stay as large
    as they ever were. With two the front process had 6 MiB less after 320 visits of a soak. And
    glibc would take clips and sound from them as soon as one such block was freed, up to 32 MiB.
    """
    if (mallopt := _of_glibc("mallopt")) is not None:
        mallopt(_M_ARENA_MAX, _MOST)
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


def use_one_arena() -> None:
    """Let all threads allocate from the one arena of which `trim_arenas` gives back the end, too:
    of any other one that stays, up to 64 MiB. To be called before there are threads.

    CSM's child had 232 MiB at rest after 45 recordings, 3.5 of them now and then; so it has 224. A
    sentence takes as long as before.
    """
    if (mallopt := _of_glibc("mallopt")) is not None:
        mallopt(_M_ARENA_MAX, 1)


def trim_arenas() -> None:
    """Give back what is free between what is used: some milliseconds."""
    if (trim := _of_glibc("malloc_trim")) is not None:
        trim(0)


def _of_glibc(name: str) -> Callable[..., int] | None:
    """Return its function; musl has none of them."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
