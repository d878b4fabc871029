"""What was timed, as a picture: when how much sound was there, and every first sound."""

from collections.abc import Sequence
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from wyoming_csm.errors import RequestError

if TYPE_CHECKING:
    from wyoming_csm.bench.command import Timed


def require_matplotlib(path: Path) -> None:
    """Raise RequestError if it is not installed, or the file cannot be written there."""
    if find_spec("matplotlib") is None:
        raise RequestError("--plot needs matplotlib: pip install matplotlib, or leave it out")
    if path.suffix.lower() != ".png" or not path.absolute().parent.is_dir():
        raise RequestError(f"--plot: {path} is no PNG file in a folder that is there")


def plot(found: Sequence["Timed"], path: Path) -> None:
    """Write a PNG file. Raises RequestError."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasAgg(figure)
    sound, first = figure.subplots(1, 2)
    longest = 0.1
    for number, timed in enumerate(found):
        if not timed.replies:
            continue
        reply = sorted(timed.replies, key=lambda one: one.ttfa)[len(timed.replies) // 2]
        at = [chunk.at for chunk in reply.chunks]
        so_far = list(accumulate(chunk.seconds for chunk in reply.chunks))
        sound.step([at[0], *at], [0.0, *so_far], where="post", label=timed.uri)
        longest = max(longest, so_far[-1])
        each = [1000 * one.ttfa for one in timed.replies]
        first.plot([number] * len(each), each, "o", alpha=0.6, label=timed.uri)
    sound.plot([0, longest], [0, longest], color="grey", linestyle=":", label="real time")
    sound.set(xlabel="seconds after it was asked for", ylabel="seconds of sound that came")
    sound.legend(fontsize="small")
    first.set(ylabel="first sound, ms", xticks=[])
    first.set_ylim(bottom=0)
    try:
        figure.savefig(path, format="png", dpi=120)
    except OSError as error:
        raise RequestError(f"{path} cannot be written: {error.strerror}") from error
