"""Two small charts as SVG: the time of a frame and the streams it is worth, by batch size."""

from collections.abc import Mapping, Sequence
from html import escape

from benchmarks.timing import FRAME_MS

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 380, 240, 54, 34, 40
_COLOURS = ("#2563eb", "#d97706", "#059669", "#9333ea")

Curves = Mapping[str, Mapping[int, float]]  # name → batch size → value


def charts(frame_ms: Curves, title: str) -> str:
    """The SVG's text. `frame_ms`: for each curve the milliseconds of a frame by batch size."""
    streams = {
        name: {batch: batch * FRAME_MS / ms for batch, ms in curve.items()}
        for name, curve in frame_ms.items()
    }
    body = [
        _chart(0, frame_ms, "ms a frame (80 ms: real time)", FRAME_MS),
        _chart(_WIDTH, streams, "streams' worth of frames in real time", None),
        f'<text x="8" y="14" font-weight="bold">{escape(title)}</text>',
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * _WIDTH} {_HEIGHT}"'
        ' font-family="sans-serif" font-size="11">'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(body)}</svg>\n'
    )


def _chart(x0: int, curves: Curves, label: str, line: float | None) -> str:
    batches = sorted({batch for curve in curves.values() for batch in curve})
    highest = 1.1 * max([line or 0, *(v for curve in curves.values() for v in curve.values())])
    width, height = _WIDTH - _LEFT - 20, _HEIGHT - _TOP - _BOTTOM

    def x(batch: int) -> float:
        step = batches.index(batch) / max(1, len(batches) - 1)
        return round(x0 + _LEFT + width * step, 1)

    def y(value: float) -> float:
        return round(_TOP + height * (1 - value / highest), 1)

    parts = [f'<text x="{x0 + _LEFT}" y="{_TOP - 6}">{escape(label)}</text>']
    for value in ticks(highest):
        right = x0 + _WIDTH - 20
        parts.append(f'<path d="M{x0 + _LEFT} {y(value)}H{right}" stroke="#ddd"/>')
        parts.append(f'<text x="{x0 + _LEFT - 6}" y="{y(value) + 4}" text-anchor="end">')
        parts.append(f"{value:g}</text>")
    for batch in batches:
        parts.append(f'<text x="{x(batch)}" y="{_HEIGHT - 22}" text-anchor="middle">{batch}</text>')
    if line is not None:
        end = x0 + _WIDTH - 20
        parts.append(
            f'<path d="M{x0 + _LEFT} {y(line)}H{end}" stroke="#c00" stroke-dasharray="4"/>'
        )
    for number, (name, curve) in enumerate(curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        points = " ".join(f"{x(batch)},{y(curve[batch])}" for batch in sorted(curve))
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        parts += [
            f'<circle cx="{x(batch)}" cy="{y(value)}" r="3" fill="{colour}"/>'
            for batch, value in curve.items()
        ]
        at = x0 + _LEFT + 110 * number
        parts.append(f'<text x="{at}" y="{_HEIGHT - 6}" fill="{colour}">{escape(name)}</text>')
    return "".join(parts)


def ticks(highest: float) -> Sequence[float]:
    """Return four or five round values from 0 on."""
    size = 10.0 ** len(str(int(highest))) / 100
    step = next(size * n for n in (1, 2, 5, 10, 20, 50, 100) if highest / (size * n) <= 5)
    return [step * n for n in range(int(highest / step) + 1)]
