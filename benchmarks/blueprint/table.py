"""What was found for each card, side by side."""

from collections.abc import Callable, Sequence
from typing import Any

Found = dict[str, Any]

_WIDTH = 32
_ABSENT = "-"


def table(cards: Sequence[Found]) -> str:
    """A column for each card and type of weights. What failed has its cause below."""
    columns = [_column(card) for card in cards]
    widths = [max(map(len, column)) for column in columns]
    names = ["", "", *(name for name, _ in _LINES)]
    lines = []
    for n, name in enumerate(names):
        cells = (column[n].rjust(width) for column, width in zip(columns, widths, strict=True))
        lines.append("  ".join((name.ljust(_WIDTH), *cells)))
    failed = [f"{_name(card)}: {card['failed']}" for card in cards if "failed" in card]
    return "\n".join((*lines, *failed))


def _column(card: Found) -> list[str]:
    cells = [card["capability"], card["weights"]]
    return cells + [_cell(card, value) for _, value in _LINES]


def _cell(card: Found, value: Callable[[Found], object]) -> str:
    try:
        return str(value(card))
    except KeyError:
        return _ABSENT


def _name(card: Found) -> str:
    return f"{card['capability']} {card['weights']}"


def _attention(card: Found, where: str) -> str:
    """Name what computes attention there; `where` begins the names of one or several parts."""
    found = {
        w for part, names in card["attention"].items() if part.startswith(where) for w in names
    }
    return "+".join(sorted(found)) or _ABSENT


_LINES: tuple[tuple[str, Callable[[Found], object]], ...] = (
    ("launches a frame (codes)", lambda card: card["launches_a_frame"]),
    ("  of four sentences at once", lambda card: card["launches_a_frame_of_4"]),
    ("  start", lambda card: card["launches"]["start, one row"]),
    ("  step, thirty times", lambda card: card["launches"]["step, one row"]),
    ("  backbone", lambda card: card["launches"]["backbone, one row"]),
    ("  codec, beside it", lambda card: card["launches_codec"]),
    ("  codes, not compiled", lambda card: card["launches_not_compiled"]),
    ("graphs", lambda card: card["graphs"]),
    ("  nodes in all", lambda card: card["nodes"]),
    ("compilations", lambda card: card["compilations"]),
    ("  of them late, in a capture", lambda card: len(card["recompiled_later"])),
    ("attention of the start", lambda card: _attention(card, "decode_frame")),
    ("  of the backbone", lambda card: _attention(card, "backbone_step")),
    ("  of prompts", lambda card: _attention(card, "prefill")),
    ("  of a frame, not compiled", lambda card: _attention(card, "a frame")),
    ("  of the codec", lambda card: _attention(card, "sound")),
    ("the compiler's kernels", lambda card: card["kernels"]["built"]),
    ("  that spill registers", lambda card: card["kernels"]["spill"]),
    ("  stack, bytes of a thread", lambda card: card["kernels"]["stack_bytes"]),
    ("  registers of a thread", lambda card: card["kernels"]["registers"]),
    ("  shared memory, bytes", lambda card: card["kernels"]["shared_bytes"]),
    ("our kernels", lambda card: card["own_kernels"]["built"]),
    ("  with tensor cores", lambda card: card["own_kernels"]["tensor_cores"]),
    ("  that spill registers", lambda card: card["own_kernels"]["spill"]),
    ("  stack, bytes of a thread", lambda card: card["own_kernels"]["stack_bytes"]),
    ("  registers of a thread", lambda card: card["own_kernels"]["registers"]),
    ("  shared memory, bytes", lambda card: card["own_kernels"]["shared_bytes"]),
)
