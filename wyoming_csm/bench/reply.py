"""One reply as a listener gets it: first sound, gaps of a player that starts at once, RTF."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

LEAST_GAP = 0.01  # seconds; what is shorter is a scheduler's, and no loudspeaker's


class Arrival(NamedTuple):
    """A chunk of sound: when it came, in seconds after it was asked for, and how long it is."""

    at: float
    seconds: float


@dataclass(frozen=True)
class Reply:
    """A reply: its chunks, in order, each with sound; at least one."""

    chunks: tuple[Arrival, ...]

    @property
    def ttfa(self) -> float:
        """Return the time to first audio, in seconds."""
        return self.chunks[0].at

    @property
    def seconds(self) -> float:
        """Return the length of the sound."""
        return sum(chunk.seconds for chunk in self.chunks)

    @property
    def rtf(self) -> float:
        """Return the time to the last sound by the length of the sound: below 1 is real time."""
        return self.chunks[-1].at / self.seconds

    @property
    def gaps(self) -> tuple[float, ...]:
        """Return the seconds of each silence that a player has which begins at the first chunk."""
        return tuple(gaps(self.chunks))


def gaps(chunks: Sequence[Arrival]) -> list[float]:
    """Return the seconds for which a player that starts at the first chunk has nothing to play."""
    found, empty_at = [], chunks[0].at
    for at, seconds in chunks:
        if at - empty_at > LEAST_GAP:
            found.append(at - empty_at)
        empty_at = max(at, empty_at) + seconds
    return found


def reply_of(chunks: Sequence[Arrival]) -> Reply | None:
    """Return a reply without its chunks of no sound; None if there is no other."""
    sounding = tuple(chunk for chunk in chunks if chunk.seconds)
    return Reply(sounding) if sounding else None


def why(error: Exception) -> str:
    """Say what went wrong, also where an error has no words."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
