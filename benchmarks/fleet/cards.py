"""What a frame costs on a card: computed, or as `script/bench` measured it on the user's own."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fleet.state import Engine, Floats
from wyoming_csm.model.rows import row_bucket

CARDS = Path(__file__).with_name("cards.json")
FRONT_SECONDS = 0.010  # request to child and frame to client: the server, the balancer, a network
PIPE_SECONDS = 0.005  # from a sentence's end to its reply's next


def linear(fixed: float, each: float, slots: int) -> Floats:
    """Return the seconds of a step for 0 … slots sentences."""
    return fixed + each * np.arange(slots + 1, dtype=np.float64)


def in_buckets(by_rows: dict[int, float], slots: int) -> Floats:
    """Return the same, from seconds by so many batch rows: a step of n computes the next larger
    number of rows that is there, as `row_bucket` says. Beyond the largest that was measured a row
    costs what it costs there on average, which is more than it will."""
    most = max(by_rows)
    found = [0.0]
    for n in range(1, slots + 1):
        rows = row_bucket(n, slots)
        larger = [size for size in sorted(by_rows) if size >= rows]
        found.append(by_rows[larger[0]] if larger else by_rows[most] * rows / most)
    return np.array(found)


def names() -> list[str]:
    """Return the cards of cards.json."""
    return [one for one in json.loads(CARDS.read_text(encoding="utf-8")) if one != "about"]


def computed(name: str, slots: int, *, floor: bool = False, by_client: bool = True) -> Engine:
    """Return a card of cards.json, as built or at its floor. Raises KeyError."""
    card = json.loads(CARDS.read_text(encoding="utf-8"))[name]
    alone = card["floor_ms" if floor else "alone_ms"]
    rows = {n: (alone + card["each_ms"] * (n - 1)) / 1000 for n in range(1, slots + 1)}
    prefill = np.array(card["prefill_ms"]) / 1000
    return Engine(in_buckets(rows, slots), prefill, 1, FRONT_SECONDS, PIPE_SECONDS, by_client)


def measured(record: Path, part: str, slots: int, *, by_client: bool = True) -> Engine:
    """Return what `script/bench engine --record` wrote: of that part, or of the first that has
    times by batch rows. A prefill is what the first frame took more than a later one."""
    parts: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))["parts"]
    usable = [name for name, one in parts.items() if one.get("frame_ms_by_batch")]
    if (name := part or next(iter(usable), "")) not in usable:
        raise SystemExit(f"{record} has no part {name!r} with frame_ms_by_batch: {usable}")
    found = parts[name]
    rows = {int(n): ms / 1000 for n, ms in found["frame_ms_by_batch"].items()}
    first = max(0.0, found["first_frame_ms"] / 1000 - rows[1])
    prefill = np.array([first, 0.0])
    return Engine(in_buckets(rows, slots), prefill, 1, FRONT_SECONDS, PIPE_SECONDS, by_client)
