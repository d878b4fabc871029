"""Lines over time or size as a small SVG, drawn by matplotlib."""

from collections.abc import Mapping, Sequence
from pathlib import Path

Lines = Mapping[str, tuple[Sequence[float], Sequence[float]]]  # name → x, y

COLOURS = ("#2563eb", "#d97706", "#059669", "#9333ea", "#dc2626")


def draw(
    file: Path, lines: Lines, *, x: str, y: str, both_logarithmic: bool = False, bar: float = 0.0
) -> None:
    """Write the chart; `bar` is a dashed line across. The same numbers give the same bytes."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "fleet", "svg.fonttype": "none", "font.size": 9})
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 3.2), layout="constrained")
    for (name, (xs, ys)), colour in zip(lines.items(), COLOURS, strict=False):
        axes.plot(xs, ys, label=name, color=colour, linewidth=1.5)
    if bar:
        axes.axhline(bar, color="#dc2626", linestyle="--", linewidth=1)
    if both_logarithmic:
        axes.set_xscale("log")
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(color="#dddddd")
    axes.legend(frameon=False)
    figure.savefig(file, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
