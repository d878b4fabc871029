"""What an engine is, where it stands in its life, and what is asked of it: `Engine`, `Sentence`.

The life of an engine: it is probed for (ABSENT → STARTING), its child process loads and is READY.
A child that misses its heartbeats is STALLED until it beats again or is ended. One that died
starts again (STARTING); after five deaths one after another it holds off for minutes (RESTING). One
without requests for long is ended, and a fresh child stands by (ASLEEP) until a request wakes it
(WAKING).
What cannot run here, or was stopped, is ABSENT.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, Protocol

from wyoming_csm.errors import EngineError
from wyoming_csm.voices import Voice
from wyoming_csm.worker.protocol import GpuMemory, Identified, Said

Callback = Callable[[], None]


class Phase(Enum):
    """The phases of an engine's life, the best first."""

    READY = "ready"
    STALLED = "stalled"  # its child is silent: it may be ready again at once, or be ended
    WAKING = "waking"  # asleep before: ready in seconds
    ASLEEP = "asleep"  # healthy, its memory given back; wakes at the next request
    STARTING = "starting"  # loading or downloading: it may be ready later
    RESTING = "resting"  # failed too often; starts again after some minutes, or on request
    ABSENT = "absent"  # cannot run here as things are; probed again on request

    def may_become(self, other: "Phase") -> bool:
        """Return whether the table below allows this change."""
        return other in (self, Phase.ABSENT) or other in _NEXT[self]


# It may be ready before long, without being asked.
PENDING = (Phase.STARTING, Phase.WAKING, Phase.STALLED)
# It is ready, or soon when asked: no list of voices need name a stand-in.
HEALTHY = (Phase.READY, Phase.STALLED, Phase.WAKING, Phase.ASLEEP)
# Its child answered the last heartbeat, or rests by design.
ABLE = (Phase.READY, Phase.WAKING, Phase.ASLEEP)
_NEXT = {  # each may also be stopped, or turn out not to run here: ABSENT
    Phase.ABSENT: {Phase.STARTING},
    Phase.STARTING: {Phase.READY, Phase.RESTING},
    Phase.READY: {Phase.STALLED, Phase.ASLEEP, Phase.STARTING},
    Phase.STALLED: {Phase.READY, Phase.STARTING},
    Phase.ASLEEP: {Phase.WAKING},
    Phase.WAKING: {Phase.READY, Phase.STARTING, Phase.RESTING},
    Phase.RESTING: {Phase.STARTING},
}


@dataclass(frozen=True)
class Status:
    """An engine's phase, and one line for people: the device, the progress, or reason and cure."""

    phase: Phase
    detail: str = ""
    unsuited: bool = False  # absent, as this machine is not made for it


class Load(NamedTuple):
    """How busy an engine is."""

    free: int  # slots, less the sentences asked of it and not over; negative: some of these wait
    share: float  # replies that it speaks, by slot
    slots: int = 1


@dataclass(eq=False)
class Sentence:
    """One sentence asked of an engine, and what came of it so far; each change calls `news`."""

    number: int  # no other sentence has it
    reply: int  # the same for all sentences of one answer
    client: str  # an address: the queue for slots is fair between these
    text: str
    voice: Voice
    news: Callback
    rate: float = 1.0  # so many times as fast as usual, by the engine
    stretch: float = 1.0  # and so many times once more, by whoever takes its sound
    said: tuple[Said, ...] = ()  # of its reply, not by the engine; see `Say`
    begun: bool = False  # it has a slot
    preparing: bool = False  # its voice was not ready for one
    late: bool = False  # it has waited for one beyond all patience
    sound: deque[bytes] = field(default_factory=deque)  # 24 kHz mono s16le, not yet taken
    made: int = 0  # bytes of sound, those that were taken as well
    over: bool = False  # nothing more comes
    fault: EngineError | None = None  # why it is over, if it was not spoken to its end
    seconds: float = 0.0  # of computing, known at the end
    whole: bool = False  # worth to be heard again; see `Done`
    codes: bytes = b""  # its frames, if it is whole; see `Done`


class Engine(Protocol):
    """Something that speaks, in one child process. All methods belong to the event loop; none
    blocks it."""

    @property
    def name(self) -> str:
        """Return `csm`, `coqui` or `system`: stable, a user's configuration names it. Several
        GPUs are several engines of one name."""

    @property
    def title(self) -> str:
        """Return what people read: the name, with its device where there are several."""

    @property
    def status(self) -> Status:
        """Return where it stands now."""

    @property
    def load(self) -> Load:
        """Return how busy it is now."""

    @property
    def gpu_memory(self) -> GpuMemory | None:
        """Return what it takes of a GPU's memory now; None: it has no GPU, or is not loaded."""

    @property
    def identity(self) -> Identified | None:
        """Return what its sound depends on beside text and voice, known also while it is busy,
        loading again or asleep; None: not known, or no sound of it need be stored, as where it says
        no more than an empty word."""

    @property
    def voices(self) -> tuple[Voice, ...]:
        """Return its own voices, known also while it is absent or starting: names never vanish."""

    def voice_for(self, voice: Voice) -> Voice | None:
        """Return `voice` itself, or its own voice that stands in for another engine's; None if it
        has no voice of that language."""

    def say(self, sentence: Sentence) -> None:
        """Ask for a sentence in a voice that `voice_for` gave. Raises EngineError, at once, if it
        is not ready."""

    def take_back(self, sentence: Sentence) -> None:
        """Stop a sentence, if it is not over: nothing more comes of it."""

    def end_reply(self, reply: int) -> None:
        """Drop a reply's context: no more sentences of it come. Safe to call twice."""

    def subscribe(self, changed: Callback, freed: Callback = lambda: None) -> None:
        """Call `changed` whenever `status` or `voices` became another, and `freed` when a slot may
        have come free."""

    def wake(self) -> None:
        """Let it load again if it is asleep; returns at once."""

    def hurry(self) -> None:
        """Let it not wait for long if it waits to try again: no engine can speak."""

    async def start(self) -> None:
        """Start it, or probe again if it is absent or resting; returns at once. Never raises. If it
        is asleep, it stays so."""

    async def stop(self) -> None:
        """End it and everything it started. Safe to call twice."""
