"""Small charts over time as SVG: what a soak measured, each series with its own axis from 0."""

from collections.abc import Mapping, Sequence
from html import escape

from benchmarks.plot import ticks
from benchmarks.soak.judge import Points

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 380, 190, 54, 30, 36
_COLOURS = ("#2563eb", "#d97706", "#059669", "#9333ea")

Curves = Mapping[str, Points]  # name → seconds, value


def charts(title: str, panels: Sequence[tuple[str, Curves]]) -> str:
    """Return the SVG's text: two charts beside each other, as many lines as it takes. `panels`:
    each chart's label and curves."""
    lines = (len(panels) + 1) // 2
    body = [f'<text x="8" y="14" font-weight="bold">{escape(title)}</text>']
    for number, (label, curves) in enumerate(panels):
        line, column = divmod(number, 2)
        at = f"translate({column * _WIDTH},{20 + line * _HEIGHT})"
        body.append(f'<g transform="{at}">{_chart(label, curves)}</g>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * _WIDTH} {20 + lines * _HEIGHT}"'
        ' font-family="sans-serif" font-size="11">'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(body)}</svg>\n'
    )


def _chart(label: str, curves: Curves) -> str:
    points = [point for curve in curves.values() for point in curve]
    latest = max([at for at, _ in points], default=0.0) or 1.0
    highest = 1.1 * max([value for _, value in points], default=0.0) or 1.0
    width, height = _WIDTH - _LEFT - 20, _HEIGHT - _TOP - _BOTTOM

    def x(at: float) -> float:
        return round(_LEFT + width * at / latest, 1)

    def y(value: float) -> float:
        return round(_TOP + height * (1 - value / highest), 1)

    parts = [f'<text x="{_LEFT}" y="{_TOP - 8}">{escape(label)}</text>']
    for value in ticks(highest):
        parts.append(f'<path d="M{_LEFT} {y(value)}H{_LEFT + width}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y(value) + 4}" text-anchor="end">{value:g}</text>')
    end = f"{latest / 60:.0f} min" if latest < 7_200 else f"{latest / 3_600:.0f} h"
    parts.append(f'<text x="{_LEFT + width}" y="{_HEIGHT - 22}" text-anchor="end">{end}</text>')
    for number, (name, curve) in enumerate(curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        line = " ".join(f"{x(at)},{y(value)}" for at, value in curve)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}"/>')
        at = _LEFT + 90 * number
        parts.append(f'<text x="{at}" y="{_HEIGHT - 6}" fill="{colour}">{escape(name)}</text>')
    return "".join(parts)
