"""Runs the commands of a fleet's record again, and writes what they find now into it.

`python -m benchmarks.fleet.recorded benchmarks/DATE-fleet.json`. What is infinite is null there.
"""

import json
import math
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from benchmarks.fleet.__main__ import found_by

_COMMAND = ("script/bench", "fleet")


def main() -> None:
    file = Path(sys.argv[1])
    record = json.loads(file.read_text(encoding="utf-8"))
    for command in record["commands"]:
        words = shlex.split(command)
        if tuple(words[:2]) != _COMMAND:
            raise SystemExit(f"{file}: {command!r} does not begin with {' '.join(_COMMAND)}")
        record["commands"][command] = _finite(found_by(words[2:]))
        print(command, flush=True)
    record["hardware"] = f"{os.cpu_count()} shared cores, load {os.getloadavg()[0]:.0f}"
    file.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    main()
