"""Tells files from others by samples of what is in them, wherever they are and since when."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

_WHOLE = 2**16  # bytes of the beginning: headers, small files
_SAMPLES, _SAMPLE_BYTES = 256, 64


def digest(paths: Iterable[Path]) -> str:
    """Return 32 hexadecimal digits for files, in the order of their names; takes milliseconds.

    Raises OSError.
    """
    found = hashlib.sha256()
    for path in sorted(paths, key=lambda path: path.name):
        size = path.stat().st_size
        found.update(f"{path.name} {size} ".encode())
        with path.open("rb", buffering=0) as file:
            found.update(file.read(_WHOLE))
            for sample in range(_SAMPLES if size > _WHOLE else 0):
                file.seek(size * sample // _SAMPLES)
                found.update(file.read(_SAMPLE_BYTES))
    return found.hexdigest()[:32]
