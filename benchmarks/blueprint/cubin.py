"""What a built kernel takes of a multiprocessor, from NVIDIA's own tool, which Triton brings."""

import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

_RESOURCES = re.compile(r"REG:(\d+) STACK:(\d+) SHARED:(\d+)")


@dataclass(frozen=True)
class Usage:
    """The registers and memory that a kernel takes."""

    registers: int  # of a thread
    stack: int  # bytes of a thread, where registers are spilled to
    shared: int  # bytes of a block


def usage(cubin: bytes, dynamic: int) -> Usage:
    """Look at a binary's one kernel; `dynamic`: shared memory that it is launched with."""
    triton = find_spec("triton")
    assert triton is not None
    assert triton.origin is not None
    tool = Path(triton.origin).parent / "backends/nvidia/bin/cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        words = [str(tool), "--dump-resource-usage", file.name]
        said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return parsed(said, dynamic)


def parsed(said: str, dynamic: int) -> Usage:
    """Read what `cuobjdump --dump-resource-usage` said. Raises ValueError if not of one kernel."""
    (found,) = _RESOURCES.findall(said)
    registers, stack, shared = map(int, found)
    return Usage(registers, stack, shared + dynamic)


def least(configs: Sequence[Usage]) -> Usage:
    """Return the one that spills the least, of a kernel in several shapes that are to be measured.

    Which one is taken only a GPU can say; one that spills where another does not, hardly.
    """
    return min(configs, key=lambda each: (each.stack, each.registers))
