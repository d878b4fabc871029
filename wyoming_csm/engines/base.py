"""What every engine is: `Engine`, and the `Reply` it makes."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from wyoming_csm.text.pieces import Piece
from wyoming_csm.voices import Voice


class Phase(Enum):
    """Where an engine stands; the best first."""

    READY = "ready"
    WAKING = "waking"  # asleep before: ready in seconds
    ASLEEP = "asleep"  # healthy, its memory given back; wakes at the next request
    STARTING = "starting"  # loading or downloading: it may be ready later
    RESTING = "resting"  # failed too often; starts again after some minutes, or on request
    ABSENT = "absent"  # cannot run here as things are; probed again on request

    @property
    def is_settled(self) -> bool:
        """Whether nothing is to be waited for."""
        return self not in (Phase.STARTING, Phase.WAKING)

    @property
    def is_healthy(self) -> bool:
        """Ready, or soon when asked: nobody need be told that another speaks meanwhile."""
        return self in (Phase.READY, Phase.WAKING, Phase.ASLEEP)


@dataclass(frozen=True)
class Status:
    """An engine's phase, and one line for people: the device, the progress, or reason and cure."""

    phase: Phase
    detail: str = ""


class Reply(Protocol):
    """One answer: one voice, one tone, one engine."""

    @property
    def spoken_by(self) -> str:
        """`engine/voice`, for the log."""

    async def in_charge(self) -> "Engine":
        """Who is about to speak the next piece; waits if all that can are loading.

        Raises EngineError.
        """

    def speak(self, piece: Piece) -> AsyncGenerator[bytes]:
        """The sound of one piece as 24 kHz mono s16le, in chunks of any size, while it is made.

        Close the generator (`aclosing`) to stop making it. Raises EngineError.
        """

    async def aclose(self) -> None:
        """The answer is over: its state may be dropped. Safe to call twice."""


class Engine(Protocol):
    """Something that speaks. All methods belong to the event loop; none blocks it."""

    @property
    def name(self) -> str:
        """`csm`, `coqui` or `system`: stable, a user's configuration names it."""

    @property
    def status(self) -> Status:
        """Now."""

    @property
    def slots(self) -> int:
        """How many sentences it speaks at the same time, at least 1."""

    @property
    def voices(self) -> tuple[Voice, ...]:
        """Its own voices, known also while it is absent or starting (names never vanish)."""

    def voice_for(self, voice: Voice) -> Voice | None:
        """`voice` itself, or the own voice that stands in for another engine's; None: no voice
        of that language."""

    def start_reply(self, voice: Voice) -> Reply:
        """`voice` as `voice_for` gave it."""

    def subscribe(self, changed: Callable[[], None]) -> None:
        """`changed()` is called whenever `status`, `slots` or `voices` became another."""

    async def wait_settled(self) -> None:
        """Returns once the phase is settled: neither STARTING nor WAKING."""

    def wake(self) -> None:
        """If it is asleep, it loads again; returns at once."""

    def hurry(self) -> None:
        """Nobody can speak: if it waits to try again, it does not wait for long."""

    async def start(self) -> None:
        """Start it, or probe again if it is absent or resting; returns at once. Never raises.

        Asleep, it stays so.
        """

    async def stop(self) -> None:
        """End it and everything it started. Safe to call twice."""
