"""What the frame loop drives: a model and its codec, slot by slot."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from wyoming_csm.voices import Voice
from wyoming_csm.worker.protocol import Say


@dataclass(frozen=True)
class Frame:
    """What one step made for one slot."""

    pcm: bytes  # 80 ms as s16le; empty in the frame that only says "the end"
    last: bool = False  # nothing follows
    ended: bool = False  # of a last frame: the model ended it, not the sentence's limit


class Runner(Protocol):
    """The model and the codec, driven slot by slot. Raises EngineError for one sentence's fault."""

    @property
    def slots(self) -> int:
        """How many sentences it makes at the same time."""

    @property
    def ahead(self) -> int:
        """How many frames are launched before the first of them is looked at."""

    def prepare(self, voices: Sequence[Voice]) -> None:
        """Begin with what makes these voices' first sentence quick; returns at once."""

    def is_prepared(self, say: Say, wake: Callable[[], None]) -> bool:
        """Whether `begin` can start at once; if not, it is being prepared and `wake` will be
        called, from any thread."""

    def begin(self, slot: int, say: Say) -> int:
        """Put a sentence into a free slot, with what is kept of its prompt; the positions it has
        to hear yet. After an EngineError the slot is free still."""

    def prefill(self, slot: int, positions: int) -> bool:
        """Let it hear so many positions more of its prompt; True: that was all, it can speak.
        After an EngineError the slot is to be released."""

    def launch(self, active: Sequence[int]) -> None:
        """Start a frame of each of these slots. After an EngineError, as for memory that is too
        full, none was started."""

    def collect(self) -> list[Frame]:
        """The oldest launched frames, in their launch's order, as soon as they are there. A slot
        whose sentence is over by then, or was released, gives any frame: it is dropped."""

    def release(self, slot: int) -> None:
        """The slot's sentence is over, spoken to its end or not."""

    def end_reply(self, reply: int) -> None:
        """Forget what was said in this reply."""

    def idle(self) -> bool:
        """Use a moment without sentences for one bounded piece of work; True: there is more."""

    def step_seconds(self, n: int) -> float:
        """Expected, for n slots; inf if unknown."""

    def prefill_seconds(self, positions: int) -> float:
        """Expected."""
