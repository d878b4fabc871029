"""Who listens: sentences that wait, those that have a slot, and when each listener runs dry.

A listener is a reply's: it hears 80 ms a frame from the moment the first one was sent.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from wyoming_csm.worker.csm.cost import FRAME_SECONDS
from wyoming_csm.worker.fair_queue import FIRST_SOUND_SECONDS, MOST_WAITING, FairQueue
from wyoming_csm.worker.protocol import Say


@dataclass(eq=False)
class Sentence:
    """One request, from its arrival to its last frame."""

    say: Say
    since: float  # when it could have begun
    dry: float | None = None  # when its listener has heard all of the reply so far
    begun: float = 0.0
    left: int = 0  # positions of its prompt that it has to hear
    advanced: float = 0.0  # when it last heard a piece of its prompt
    speaks: bool = False  # its prompt is heard
    flights: "deque[Flight]" = field(default_factory=deque)  # its frames under way

    @property
    def deadline(self) -> float:
        """While it waits: when its listener should get its first sound."""
        if self.dry is None:
            return self.since + FIRST_SOUND_SECONDS
        return max(self.dry, self.since)


@dataclass(eq=False)
class Flight:
    """Frames that were launched together and are not collected."""

    sentences: dict[int, Sentence]  # by slot
    start: float
    lands: float  # expected
    pure: bool  # no prefill came before it


class Audience:
    """Sentences by where they are. Times are those of the loop's clock."""

    def __init__(self, slots: int) -> None:
        self.waiting: FairQueue[Sentence] = FairQueue(slots + MOST_WAITING)
        self.taken: dict[int, Sentence] = {}  # by slot, in order of admission
        self._free = list(reversed(range(slots)))
        self._dry: dict[int, float] = {}  # by reply: when its listener has heard all

    def ask(self, say: Say, now: float) -> None:
        """A sentence waits. Raises EngineError if too many do."""
        self.waiting.push(Sentence(say, now, self._dry.get(say.reply)))

    def has_room(self, fits: Callable[[int], bool]) -> bool:
        """Whether a waiting sentence may take a slot; `fits`: whether so many can be kept.

        One newcomer after the other: the prompt of each takes from all.
        """
        ready = all(other.speaks for other in self.taken.values())
        return bool(self._free) and ready and fits(len(self.taken) + 1)

    @property
    def next_slot(self) -> int:
        """Free, and the next to be taken."""
        return self._free[-1]

    def admit(self, sentence: Sentence, now: float) -> None:
        """It takes `next_slot`."""
        sentence.begun = sentence.advanced = now
        self.taken[self._free.pop()] = sentence

    def leave(self, slot: int) -> None:
        """The slot is free."""
        self.waiting.ended(self.taken.pop(slot).say.client)
        self._free.append(slot)

    def slot_of(self, sentence: int) -> int | None:
        """None if it has none."""
        slots = (slot for slot, one in self.taken.items() if one.say.sentence == sentence)
        return next(slots, None)

    def heard(self, reply: int, now: float) -> None:
        """A frame was sent; who had run dry hears on from now."""
        self._dry[reply] = max(now, self._dry.get(reply, 0.0)) + FRAME_SECONDS

    def end(self, reply: int) -> None:
        """Nobody listens to this reply any more."""
        self._dry.pop(reply, None)

    def due(self, sentence: Sentence) -> float:
        """When its listener runs dry if nothing more is launched; for one that heard nothing yet,
        when it should."""
        dry = self._dry.get(sentence.say.reply)
        if sentence.flights:
            before = (dry or 0.0) + FRAME_SECONDS * (len(sentence.flights) - 1)
            return max(sentence.flights[-1].lands, before) + FRAME_SECONDS
        return sentence.deadline if dry is None else max(dry, sentence.since)

    def by_due(self, sentences: Iterable[Sentence]) -> list[Sentence]:
        """The most urgent first."""
        return sorted(sentences, key=self.due)
